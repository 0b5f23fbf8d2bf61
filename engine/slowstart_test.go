package engine

import (
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/sched"
)

// sharing returns a service whose last real server has a weight and a share.
func sharing(s Service, weight int32, share uint8) Service {
	last := len(s.RealServers) - 1
	s = weighted(s, last, weight)
	s.RealServers[last].Share = share
	return s
}

// TestReturningServerIsNotStampeded: while a real server comes back among others with sessions, its
// part of the new ones grows from a tenth of its share to all of it. Then the scheduler decides
// alone again: lc and wlc bring it up to the others.
func TestReturningServerIsNotStampeded(t *testing.T) {
	const others, round = 200, 60
	for _, kind := range []sched.Kind{sched.RR, sched.WRR, sched.LC, sched.WLC, sched.SED, sched.NQ} {
		for _, s := range []site{oneArm, oneArm.twin()} {
			t.Run(kind.String()+" "+s.name, func(t *testing.T) {
				v := s.echo(modes.NAT, 3)
				v.Scheduler = kind
				b := newBed(t, s, s.serving(sharing(v, 0, 0)), crowd(1))
				at := 0
				come := func(n int) int {
					pool := b.poolOf(0)
					before := pool.At(2).Load.Total()
					for range n {
						b.fromClient(udp(clientAt(at), echoVIP, "?"))
						at++
					}
					b.collectAll()
					return int(pool.At(2).Load.Total() - before)
				}
				if got := come(2 * others); got != 0 {
					t.Fatalf("%d sessions with weight 0", got)
				}
				snap, last := b.engine.snap.Load(), 0
				for share := 1; share <= FullShare; share++ {
					b.engine.Change(Change{Put: []Service{sharing(v, 1, uint8(share))}})
					b.turn()
					got := come(round)
					// Of round sessions each of the two others gets ten parts.
					if want := round * share / (2*FullShare + share); got < want-1 || got > want+2 {
						t.Errorf("%d of %d in step %d, want about %d", got, round, share, want)
					}
					if got < last-1 {
						t.Errorf("%d in step %d, %d before", got, share, last)
					}
					last = got
				}
				b.engine.Change(Change{Put: []Service{sharing(v, 1, 0)}})
				b.turn()
				if b.engine.snap.Load() != snap {
					t.Error("a step made another snapshot")
				}
				switch got := come(round); {
				case kind == sched.LC || kind == sched.WLC:
					if got != round {
						t.Errorf("then it got %d of %d, although it had fewest", got, round)
					}
				case kind == sched.RR || kind == sched.WRR:
					if got != round/3 {
						t.Errorf("then it got %d of %d", got, round)
					}
				}
				b.dropped("")
			})
		}
	}
}

// TestScaledWeightsWouldStampede: why slow start does not scale weights. A scheduler that compares
// sessions sends all new ones to a real server with a tenth of the weight until it has a tenth of
// the others' sessions.
func TestScaledWeightsWouldStampede(t *testing.T) {
	s := oneArm
	v := s.echo(modes.NAT, 3)
	v.Scheduler = sched.WLC
	for i := range v.RealServers {
		v.RealServers[i].Weight = 640
	}
	b := newBed(t, s, s.serving(sharing(v, 0, 0)), crowd(1))
	for i := range 400 {
		b.fromClient(udp(clientAt(i), echoVIP, "?"))
	}
	b.engine.Change(Change{Put: []Service{sharing(v, 64, 0)}})
	b.turn()
	for i := range 20 {
		b.fromClient(udp(clientAt(1000+i), echoVIP, "?"))
	}
	b.collectAll()
	if got := b.poolOf(0).At(2).Load.Total(); got != 20 {
		t.Errorf("%d of 20 sessions", got)
	}
}

// TestReportOfSlowStart: the report has the configured weight beside the share.
func TestReportOfSlowStart(t *testing.T) {
	s := oneArm
	v := s.web(modes.DR, 2)
	b := newBed(t, s, s.serving(sharing(v, 5, 3)))
	if rs := b.engine.Report().Services[0].RealServers; rs[1].Weight != 5 || rs[1].Share != 3 || rs[0].Share != 0 {
		t.Errorf("%+v", rs)
	}
}

// TestExplainSlowStart: explain says whether slow start has a part in the pick, foretells the pick
// and moves nothing.
func TestExplainSlowStart(t *testing.T) {
	s := oneArm
	v := s.web(modes.DR, 2)
	b := newBed(t, s, s.serving(sharing(v, 1, 5)))
	turns := 0
	for i := range 30 {
		p := tcp(clientAt(i), webVIP, "S")
		q := Question{Protocol: packet.ProtocolTCP, TCPFlags: packet.TCPSyn, From: s.in(p).src, To: s.in(p).dst, Port: -1}
		x := b.asked(&q)
		if !x.SlowStart {
			t.Fatalf("%+v", x)
		}
		picked := 0
		if x.Share == 5 {
			picked = 1
			turns++
		}
		load := b.poolOf(0).At(picked).Load
		before := load.Total()
		b.fromClient(p)
		if b.collectAll(); load.Total() != before+1 {
			t.Fatalf("explained was real server %d, %+v", picked, x)
		}
	}
	if turns < 9 || turns > 11 {
		t.Errorf("%d turns of 30", turns)
	}
	b.apply(s.serving(v))
	q := Question{Protocol: packet.ProtocolTCP, TCPFlags: packet.TCPSyn, From: s.in(tcp(clientAt(99), webVIP, "S")).src, To: v.Address, Port: -1}
	if x := b.asked(&q); x.SlowStart || x.Share != 0 {
		t.Errorf("without slow start %+v", x)
	}
}
