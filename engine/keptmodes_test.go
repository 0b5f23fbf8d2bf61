package engine

import (
	"fmt"
	"net/netip"
	"testing"

	"fulcrum/lvs"
	"fulcrum/modes"
)

// TestOtherModeAfterARestart: sessions go on by the mode that they began with, also where workers
// own the flows of the service by another rule now, and after one more change and one more restart.
func TestOtherModeAfterARestart(t *testing.T) {
	serving := func(m modes.Mode) Settings {
		v := twoArm.echo(m, 3)
		for i := range v.RealServers { // a real server keeps its address and port
			v.RealServers[i].Address = netip.AddrPortFrom(twoArm.servers[i].addr, 7)
		}
		return twoArm.serving(v)
	}
	all := []modes.Mode{modes.DR, modes.NAT, modes.FullNAT} // ipip's workers own flows as dr's
	for _, before := range all {
		for _, after := range all {
			if before.Source() == lvs.Local && after.Source() != lvs.Local {
				continue // its local addresses are gone
			}
			eachNumber(t, func(t *testing.T, workers [2]int, spread func(int) func(*bedConfig)) {
				const n = 20
				what := fmt.Sprintf("%v to %v", before, after)
				folder := t.TempDir()
				b := newBed(t, twoArm, serving(before), keptIn(folder, workers[0]), spread(workers[0]))
				old := b.talks(before, echoVIP, 0, n)
				b = b.restart(serving(after), folder, workers[1], spread(workers[1]))
				b.keptReport(n, nil)
				b.goOn(old, what)
				fresh := b.talks(after, echoVIP, n, n)
				b.keep()
				b.keep()
				b.goOn(old, what+", kept")
				b.apply(serving(before))
				b.goOn(old, what+", and back")
				if after.Source() == lvs.Local {
					return
				}
				b.goOn(fresh, what+", and back, those between")
				b.keep()
				b.keep()
				b.goOn(old, what+", and back, kept")
				b.goOn(fresh, what+", and back, those between, kept")
				b = b.restart(serving(after), folder, workers[0], spread(workers[0]))
				b.keptReport(2*n, nil)
				b.goOn(old, what+", again")
				b.goOn(fresh, what+", again, those between")
			})
		}
	}
}
