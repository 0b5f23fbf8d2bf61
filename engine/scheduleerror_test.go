package engine

import (
	"fmt"
	"net/netip"
	"testing"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/sched"
)

const hashedVIP = "10.0.0.100:81"

// errorAbout is an ICMP error to the VIP about a packet to a client.
func errorAbout(to string) pkt {
	e := icmpError("10.9.9.9", tcp(hashedVIP, to, "A"), packet.ICMPUnreachable,
		packet.ICMPCodeFragmentationNeeded, 1400)
	e.dst = at4(vipAlone)
	return e
}

// hashed is a service that hashes, at hashedVIP.
func hashed(s *site, mode modes.Mode, by sched.Kind) Service {
	v := s.web(mode, 3)
	v.Address, v.Scheduler = at4(hashedVIP), by
	for i := range v.RealServers {
		of := v.RealServers[i].Address.Addr()
		v.RealServers[i].Address = netip.AddrPortFrom(of, serverPort(mode, v.Address))
	}
	return v
}

// TestScheduledErrorsGoWhereTheClientGoes: of two directors with the same real servers, one has the
// session and the other gets the error, at any of its workers.
func TestScheduledErrorsGoWhereTheClientGoes(t *testing.T) {
	for _, mode := range []modes.Mode{modes.DR, modes.NAT, modes.IPIP} {
		for _, by := range []sched.Kind{sched.SH, sched.MH, sched.DH} {
			s := twoArm
			n := s.serving(hashed(&s, mode, by))
			n.ScheduleICMP = true
			one, other := newBed(t, s, n), newBed(t, s, n, crowd(3))
			for i := range 20 {
				one.fromClient(tcp(clientAt(i), hashedVIP, "S"))
				other.fromClient(errorAbout(clientAt(i)))
				went := collect(one.ports[s.back])
				sent := collect(other.ports[s.back])
				if len(went) != 1 || len(sent) != 1 ||
					packet.Ethernet(went[0]).Dst() != packet.Ethernet(sent[0]).Dst() {
					t.Fatalf("%v, %v: %d packets, %d errors; dropped %s", mode, by, len(went),
						len(sent), other.drops())
				}
			}
			other.sessions(0)
		}
	}
}

// TestErrorsAreNotScheduled: not without the switch, by a scheduler that does not hash, or where
// the other director's local port counts.
func TestErrorsAreNotScheduled(t *testing.T) {
	s := twoArm
	for name, change := range map[string]func(*Settings){
		"off":     func(n *Settings) { n.ScheduleICMP = false },
		"rr":      func(n *Settings) { n.Services[0].Scheduler = lvs.RR },
		"fullnat": func(n *Settings) { n.Services[0] = hashed(&s, modes.FullNAT, sched.MH) },
		"none":    func(n *Settings) { n.Services[0].RealServers = nil },
	} {
		for _, workers := range []int{1, 3} {
			n := s.serving(hashed(&s, modes.NAT, sched.MH))
			n.ScheduleICMP = true
			change(&n)
			b := newBed(t, s, n, crowd(workers))
			b.fromClient(errorAbout(client))
			if b.drops() != "icmp_error=1" {
				t.Errorf("%s, %d workers: %s", name, workers, b.drops())
			}
		}
	}
}

// TestHashingSchedulers: one property, one table.
func TestHashingSchedulers(t *testing.T) {
	names := ""
	for _, s := range lvs.Schedulers() {
		if s.Hashes() {
			names += fmt.Sprint(" ", s)
		}
	}
	if names != " sh dh mh" {
		t.Error(names)
	}
}
