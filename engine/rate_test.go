package engine

import (
	"fmt"
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
)

// TestGate: a bucket begins with the tokens of a second, and then gives as many a second as it
// says, wherever the clock is.
func TestGate(t *testing.T) {
	for _, rate := range []int{1, 3, 10, 999, 50_000, mostGateRate} {
		for _, start := range []uint32{0, 1, 1<<31 - 2000, 1<<32 - 1, 1<<32 - 2000} {
			var p gate
			step, taken := stepOf(rate), 0
			for ms := range uint32(4001) {
				for p.has(step, start+ms) {
					if !p.take(step, start+ms) {
						t.Fatal("had a token, gave none")
					}
					taken++
				}
				if ms == 0 && taken != rate {
					t.Errorf("%d a second from %d: %d at once", rate, start, taken)
				}
			}
			if taken < 5*rate-1 || taken > 5*rate+1+rate/100_000 {
				t.Errorf("%d a second from %d: %d in four seconds", rate, start, taken)
			}
		}
	}
}

const mostGateRate = 100_000

// TestGateOfLongAgo: a bucket that nothing was taken from for long is full, however the clock has
// gone round since.
func TestGateOfLongAgo(t *testing.T) {
	for _, days := range []uint32{1, 20, 25, 30, 49} {
		var p gate
		step := stepOf(1)
		p.take(step, 5000)
		if now := 5000 + days*24*3_600_000; !p.take(step, now) || p.take(step, now) {
			t.Errorf("after %d days not one token", days)
		}
	}
}

// TestGateWithOtherClocks: a worker whose clock is behind finds no more tokens than another.
func TestGateWithOtherClocks(t *testing.T) {
	var p gate
	step := stepOf(1)
	if !p.take(step, 5000) || p.take(step, 4900) || p.take(step, 0) || !p.take(step, 6000) {
		t.Error("the clocks of workers matter")
	}
}

// rated is a UDP service with a limit of new sessions.
func (s *site) rated(perSecond int) Service {
	v := s.echo(modes.NAT, 1)
	v.MaxRate = perSecond
	return v
}

// TestMaxRate: beyond the rate no session begins, sessions that there are go on, and time brings
// new ones. The limit holds for all workers together.
func TestMaxRate(t *testing.T) {
	for _, s := range sites {
		for _, workers := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, %d workers", s.name, workers), func(t *testing.T) {
				b := newBed(t, s, s.serving(s.rated(10)), crowd(workers))
				at := 0
				come := func(n int) {
					for range n {
						b.fromClient(udp(clientAt(at), echoVIP, "?"))
						at++
					}
					b.collectAll()
				}
				come(30)
				b.sessions(10)
				b.dropped("service_rate=20")
				for range 20 {
					b.fromClient(udp(clientAt(0), echoVIP, "?"))
				}
				b.collectAll()
				b.dropped("service_rate=20")
				b.wait(500)
				come(30)
				b.sessions(15)
				b.dropped("service_rate=45")
				b.apply(s.serving(s.rated(0)))
				come(30)
				b.sessions(45)
				b.apply(s.serving(s.rated(1)))
				b.wait(5_000)
				come(3)
				b.sessions(46)
			})
		}
	}
}

// TestExplainMaxRate: explain says which limit decides, and takes no token.
func TestExplainMaxRate(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.rated(2)))
	ask := func(want Verdict) {
		t.Helper()
		p := udp(client, echoVIP, "?")
		q := Question{Protocol: packet.ProtocolUDP, From: p.src, To: p.dst, Port: -1}
		var x Explanation
		if b.worker.explainNew(&q, &x); x.Verdict != want || x.Answer != NoAnswer {
			t.Errorf("%v, %v; want %v", x.Verdict, x.Answer, want)
		}
	}
	for i := range 2 {
		ask(Taken)
		ask(Taken)
		b.fromClient(udp(clientAt(i), echoVIP, "?"))
	}
	b.collectAll()
	ask(DropServiceRate)
	b.fromClient(udp(client, echoVIP, "?"))
	b.quiet()
	b.dropped("service_rate=1")
}

func TestMaxRateAllocatesNothing(t *testing.T) {
	var p gate
	step, now := stepOf(1000), uint32(0)
	if n := testing.AllocsPerRun(1000, func() { now++; p.take(step, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
