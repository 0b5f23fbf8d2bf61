package modes_test

import (
	"testing"

	"fulcrum/conntrack"
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
		if m.String() != want.name || m.TwoWay() != want.twoWay ||
			modes.Overhead(m, conntrack.Inbound, false, false) != want.overhead {
			t.Errorf("%v: two-way %v, overhead %d; want %+v", m, m.TwoWay(),
				modes.Overhead(m, conntrack.Inbound, false, false), want)
		}
		if modes.View(m, conntrack.Inbound) != want.inbound ||
			modes.View(m, conntrack.Outbound) != conntrack.Output {
			t.Errorf("%v: views %d and %d", m, modes.View(m, conntrack.Inbound),
				modes.View(m, conntrack.Outbound))
		}
	}
}
