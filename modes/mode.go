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

// Overhead returns how many bytes a packet that goes in direction d grows, by the families of the service and of the real server. It
// shrinks where IPv6 becomes IPv4.
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

// View returns the TCP state table for packets that go in direction d.
func View(m Mode, d conntrack.Direction) conntrack.View {
	switch {
	case d == conntrack.Outbound:
		return conntrack.Output
	case m.TwoWay():
		return conntrack.Input
	}
	return conntrack.InputOnly
}
