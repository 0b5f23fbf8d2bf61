package modes

import (
	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/packet"
)

// Mode is a way of forwarding.
type Mode = lvs.Mode

// The modes.
const (
	DR       = lvs.DR
	NAT      = lvs.NAT
	FullNAT  = lvs.FullNAT
	IPIP     = lvs.IPIP
	NumModes = lvs.NumModes
)

// Overhead returns by how many bytes a packet in direction d grows. clients6 and servers6 are the
// families of the service and the real server. The result is negative where IPv6 becomes IPv4.
func Overhead(m Mode, d conntrack.Direction, clients6, servers6 bool) int {
	switch {
	case m == IPIP && d == conntrack.Outbound, clients6 == servers6 && m != IPIP:
		return 0
	case m == IPIP && servers6:
		return packet.IPv6Len
	case m == IPIP:
		return packet.IPv4MinLen
	case d == conntrack.Inbound:
		return packet.IPv4MinLen - packet.IPv6Len
	}
	return packet.IPv6Len - packet.IPv4MinLen
}

// View returns the state table for packets in direction d.
func View(m Mode, d conntrack.Direction) conntrack.View {
	switch {
	case d == conntrack.Outbound:
		return conntrack.Output
	case m.TwoWay():
		return conntrack.Input
	}
	return conntrack.InputOnly
}
