package control

import (
	"net/netip"
	"testing"

	"fulcrum/lvs"
)

// TestSince checks that since subtracts the counters at Zero, and returns restarted counters
// unchanged.
func TestSince(t *testing.T) {
	id := lvs.RealServerID{
		Service: lvs.ServiceID{Protocol: lvs.TCP, Address: netip.MustParseAddrPort("10.0.0.100:80")},
		Address: netip.MustParseAddrPort("10.1.0.11:80"),
	}
	z := zeroes{id: {Connections: 2, InPackets: 7, InBytes: 100, OutPackets: 6, OutBytes: 1}}
	for _, tt := range [][2]Traffic{
		{
			{Connections: 5, InPackets: 7, InBytes: 700, OutPackets: 6, OutBytes: 600},
			{Connections: 3, InBytes: 600, OutBytes: 599},
		},
		{
			{Connections: 2, InPackets: 1, InBytes: 100, OutPackets: 6, OutBytes: 1},
			{Connections: 2, InPackets: 1, InBytes: 100, OutPackets: 6, OutBytes: 1},
		},
		{
			{Connections: 9, InPackets: 9, InBytes: 900, OutPackets: 9, OutBytes: 9},
			{Connections: 9, InPackets: 9, InBytes: 900, OutPackets: 9, OutBytes: 9},
		},
	} {
		if got := z.since(id, tt[0]); got != tt[1] {
			t.Errorf("%+v shows as %+v, want %+v", tt[0], got, tt[1])
		}
	}
}

// What the engine does not know of services is in both of their listings.
func TestServicesHaveWhatTheReportHas(t *testing.T) {
	w := watch(t, "", "").start()
	w.kill(12)
	w.awaitStates("11 up, 12 down, 13 up")
	for _, all := range [][]ServiceReport{w.Report().Services, w.Services()} {
		rs := all[0].RealServers[1]
		if rs.Health == nil || rs.Why == "" || all[0].Pool == nil {
			t.Errorf("%+v: %+v", all[0], rs)
		}
	}
}
