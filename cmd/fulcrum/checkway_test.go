package main

import (
	"fmt"
	"testing"

	"fulcrum/control"
	"fulcrum/lab"
	"fulcrum/lvs"
)

// breaks has a fault for each mode that only a check through the mode notices, and its mending. The
// real server's own address answers all the time.
var breaks = map[lvs.Mode][2]string{
	lvs.DR:   {"ip address del %[1]s dev lo", "ip address add %[1]s dev lo"},
	lvs.IPIP: {"ip address del %[1]s dev lo", "ip address add %[1]s dev lo"},
	lvs.NAT:  {"ip %[2]s route save default >/tmp/%[3]s && ip %[2]s route del default", "ip %[2]s route restore </tmp/%[3]s"},
}

// A check through the mode notices a real server that has lost its VIP or its gateway, in all modes
// and both families, with one worker and with two. One by the host's sockets does not.
func TestHealthThroughMode(t *testing.T) {
	for _, mode := range []lvs.Mode{lvs.DR, lvs.NAT, lvs.FullNAT, lvs.IPIP} {
		for i, family := range []lab.Family{lab.IPv4, lab.IPv6} {
			t.Run(fmt.Sprintf("%v/%v", mode, family), func(t *testing.T) {
				t.Parallel()
				b := newHostBed(t, lab.Config{Mode: mode, Arms: 2, Scheduler: lvs.RR, Family: family, Workers: 1 + i})
				b.check(`type = "http"
interval = "200ms"
timeout = "190ms"
body = "rs"
`)
				b.awaitHealth("rs1", true)
				b.awaitStates("up up up")
				b.fail("rs1", mode)
				b.awaitStates("down up up")
				for _, a := range b.get(24) {
					if a.Name == "rs1" {
						t.Error("a client reached the real server that is down")
					}
				}
				b.mend("rs1", mode)
				b.awaitStates("up up up")
				if got := spread(b.get(24)); got[0] == 0 {
					t.Errorf("answers: %v", got)
				}
				b.stopDirector()
			})
		}
	}
}

// awaitHealth waits until a check of a real server has ended well or badly.
func (b *hostBed) awaitHealth(role string, good bool) {
	b.t.Helper()
	b.awaitReport(role+" checked", func(r *control.Report) bool {
		for i, rs := range r.Services[0].RealServers {
			if fmt.Sprintf("rs%d", i+1) == role {
				return rs.Health != nil && !rs.Health.At.IsZero() && rs.Health.Up == good
			}
		}
		return false
	})
}

// fail breaks a real server for a mode.
func (b *hostBed) fail(role string, mode lvs.Mode) { b.breakOrMend(role, mode, 0) }

// mend is the reverse of fail.
func (b *hostBed) mend(role string, mode lvs.Mode) { b.breakOrMend(role, mode, 1) }

func (b *hostBed) breakOrMend(role string, mode lvs.Mode, step int) {
	b.t.Helper()
	line, ok := breaks[mode]
	if !ok {
		b.plug(role, step == 1)
		return
	}
	vip, family := b.VIP().String()+"/32", "-4"
	if b.VIP().Is6() {
		vip, family = b.VIP().String()+"/128 nodad", "-6"
		if step == 0 {
			vip = b.VIP().String() + "/128"
		}
	}
	b.run(role, fmt.Sprintf(line[step], vip, family, b.ID()))
}
