package modes_test

import (
	"testing"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/modes"
)

func TestModeTable(t *testing.T) {
	for m, want := range map[modes.Mode]struct {
		name     string
		twoWay   bool
		overhead int
		inbound  conntrack.View
	}{
		modes.DR:      {"dr", false, 0, conntrack.InputOnly},
		modes.NAT:     {"nat", true, 0, conntrack.Input},
		modes.FullNAT: {"fullnat", true, 0, conntrack.Input},
		modes.IPIP:    {"ipip", false, 20, conntrack.InputOnly},
	} {
		if m.String() != want.name || m.TwoWay() != want.twoWay || modes.Overhead(m, conntrack.Inbound, false, false) != want.overhead {
			t.Errorf("%v: two-way %v, overhead %d; want %+v", m, m.TwoWay(), modes.Overhead(m, conntrack.Inbound, false, false), want)
		}
		if modes.View(m, conntrack.Inbound) != want.inbound || modes.View(m, conntrack.Outbound) != conntrack.Output {
			t.Errorf("%v: views %d and %d", m, modes.View(m, conntrack.Inbound), modes.View(m, conntrack.Outbound))
		}
	}
}

func TestParseIsTheInverseOfString(t *testing.T) {
	for m := range modes.NumModes {
		if got, ok := lvs.ParseMode(m.String()); !ok || got != m {
			t.Errorf("%v parses as %v, %v", m, got, ok)
		}
	}
	for _, name := range []string{"", "DR", "tun", "mode 4", modes.NumModes.String()} {
		if m, ok := lvs.ParseMode(name); ok {
			t.Errorf("%q parses as %v", name, m)
		}
	}
}
