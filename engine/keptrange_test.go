package engine

import (
	"testing"

	"fulcrum/modes"
)

// TestSessionsOfRangesOutliveTheProcess: a service that is known by a range of addresses and ports
// has its sessions and its counters again.
func TestSessionsOfRangesOutliveTheProcess(t *testing.T) {
	eachKept(t, func(t *testing.T, s site, m modes.Mode, workers int) {
		folder, n := t.TempDir(), s.serving(s.claiming(s.web(m, 3), "tcp 10.0.0.96/29:8000-8100"))
		b := newBed(t, s, n, keptIn(folder, workers))
		for i := range 6 {
			b.ask(m, tcp(clientAt(i), "10.0.0.97:8001", "S"))
		}
		b.wait(20)
		b = b.restart(n, folder, workers)
		b.keptReport(6, nil)
		if got := b.engine.Report().Services[0].Connections; got != 6 {
			t.Errorf("%d connections", got)
		}
	})
}
