package modes

import (
	"fmt"

	"fulcrum/conntrack"
	"fulcrum/packet"
)

// Mode is a way of forwarding.
type Mode uint8

const (
	DR Mode = iota
	NAT
	FullNAT
	IPIP
	NumModes
)

// modes is the one table of modes.
var modes = [NumModes]struct {
	name   string
	twoWay bool // answers pass the director
}{
	DR:      {"dr", false},
	NAT:     {"nat", true},
	FullNAT: {"fullnat", true},
	IPIP:    {"ipip", false},
}

// String returns the mode's name in the configuration.
func (m Mode) String() string {
	if m >= NumModes {
		return fmt.Sprintf("mode %d", uint8(m))
	}
	return modes[m].name
}

// Parse returns the mode with a name.
func Parse(name string) (Mode, bool) {
	for m := range modes {
		if modes[m].name == name {
			return Mode(m), true
		}
	}
	return 0, false
}

// TwoWay reports whether the real server's answers pass the director.
func (m Mode) TwoWay() bool { return modes[m].twoWay }

// Overhead returns how many bytes a packet that goes in direction d grows, by the families of the service and of the real server. It
// shrinks where IPv6 becomes IPv4.
func (m Mode) Overhead(d conntrack.Direction, clients6, servers6 bool) int {
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
func (m Mode) View(d conntrack.Direction) conntrack.View {
	switch {
	case d == conntrack.Outbound:
		return conntrack.Output
	case m.TwoWay():
		return conntrack.Input
	}
	return conntrack.InputOnly
}
