package engine

import (
	"testing"

	"fulcrum/modes"
)

// Active and inactive connections follow the states as IPVS counts them.
func TestConnectionCountsFollowTheStates(t *testing.T) {
	b := newBed(t, twoArm, twoArm.serving(twoArm.web(modes.NAT, 1)))
	p := b.begin(modes.NAT, tcp(client, webVIP, "S"))
	steps := []struct {
		server           bool
		flags            string
		active, inactive int32
	}{
		{true, "SA", 1, 0},  // SYN_RECV
		{false, "A", 1, 0},  // ESTABLISHED
		{true, "FA", 0, 1},  // FIN_WAIT
		{false, "A", 0, 1},  // FIN_WAIT
		{false, "FA", 0, 1}, // TIME_WAIT
		{true, "A", 0, 1},   // TIME_WAIT
		{true, "R", 0, 1},   // TIME_WAIT
		{false, "R", 0, 1},  // CLOSE
		{false, "S", 1, 0},  // a new one
	}
	for i, step := range steps {
		if step.server {
			p.answers(step.flags, "")
		} else {
			p.sends(tcp(client, webVIP, step.flags))
		}
		if t.Failed() {
			t.Fatal("step", i)
		}
		b.connections(0, 0, step.active, step.inactive)
		b.sessions(1)
	}
	b.wait(130_000)
	b.connections(0, 0, 0, 0)
}

func TestThresholds(t *testing.T) {
	s := twoArm
	n := s.serving(s.web(modes.NAT, 1))
	n.Services[0].RealServers[0].UpperThreshold = 4
	n.Services[0].RealServers[0].LowerThreshold = 2
	b := newBed(t, s, n)
	var paths []*path
	for i := range 4 {
		paths = append(paths, b.begin(modes.NAT, tcp(clientAt(i), webVIP, "S")))
	}
	b.fromClient(tcp(clientAt(4), webVIP, "S"))
	b.dropped("no_real_server=1")
	b.collectAll()
	// Sessions end one by one. The real server is available again only below the lower threshold.
	for i, p := range paths[:3] {
		p.answers("RA", "")
		b.wait(12_000)
		b.sessions(3 - i)
		b.fromClient(tcp(clientAt(4), webVIP, "S"))
		if refused := len(b.ports[0].Collect(0)) == 1; refused != (i < 2) {
			t.Fatalf("with %d sessions refused: %v", 3-i, refused)
		}
	}
	b.collectAll()
}

func TestTrafficIsCounted(t *testing.T) {
	for _, m := range allModes {
		t.Run(m.String(), func(t *testing.T) {
			b := newBed(t, twoArm, twoArm.serving(twoArm.web(m, 1)))
			p := b.begin(m, tcp(client, webVIP, "S"))
			p.answers("SA", "")
			p.sends(tcp(client, webVIP, "PA").carrying("hello"))
			want := Traffic{Connections: 1, InPackets: 2, InBytes: 40 + 45}
			if m.TwoWay() {
				want.OutPackets, want.OutBytes = 1, 40
			}
			b.now += publishInterval
			b.turn()
			r := b.engine.Report()
			if r.Services[0].Traffic != want || r.Services[0].RealServers[0].Traffic != want {
				t.Fatalf("counted %+v, want %+v", r.Services[0].Traffic, want)
			}
		})
	}
}
