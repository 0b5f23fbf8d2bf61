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
	name     string
	twoWay   bool // answers pass the director
	overhead int  // bytes added to a packet on its way to the real server
}{
	DR:      {"dr", false, 0},
	NAT:     {"nat", true, 0},
	FullNAT: {"fullnat", true, 0},
	IPIP:    {"ipip", false, packet.IPv4MinLen},
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

// Overhead returns how many bytes a packet grows on its way to the real server.
func (m Mode) Overhead() int { return modes[m].overhead }

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
