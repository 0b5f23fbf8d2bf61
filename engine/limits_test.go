package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
)

// largeFrom is a datagram that does not fit the way of ipip.
func largeFrom(from string) pkt {
	return udp(from, echoVIP, strings.Repeat("x", 1453)).with(func(p *pkt) { p.df = true })
}

// toldOf returns how many ICMP errors went to an address.
func (b *bed) toldOf(from string) (told int) {
	b.Helper()
	for _, f := range collect(b.ports[b.site.front]) {
		var m meta
		packet.Parse(f, &m.Parsed)
		if m.Kind != packet.ICMP4 && m.Kind != packet.ICMP6 {
			continue
		}
		m.WriteKey(&b.worker.key, f)
		dst := b.worker.key.Dst.Netip()
		if dst == at4(from).Addr() || dst == sixPort(at4(from)).Addr() {
			told++
		}
	}
	return told
}

// A flood of packets with TTL 1 does not keep an honest client's "too big" from being sent, nor
// does a flood of packets that are too big from everywhere.
func TestTooBigIsNeverStarved(t *testing.T) {
	for _, s := range []site{oneArm, oneArm.twin()} {
		for name, flood := range map[string]func(from string) pkt{
			"TTL":     func(from string) pkt { return udp(from, echoVIP, "?").ttlOf(1) },
			"too big": largeFrom,
		} {
			t.Run(s.name+" "+name, func(t *testing.T) {
				b := newBed(t, s, s.serving(s.echo(modes.IPIP, 1)))
				mac := s.own(s.front).mac
				told := 0
				for ms := range 2000 {
					b.now++
					for i := range 2 {
						from := clientAt(0)
						if name != "TTL" {
							from = clientAt(50_000*(ms%200) + 250*ms + i) // of many addresses
						}
						b.deliver(s.front, s.in(flood(from)).frame(s.gateway.mac, mac))
					}
					if ms%100 == 0 {
						honest := s.in(largeFrom("192.168.5.9:4000"))
						b.deliver(s.front, honest.frame(s.gateway.mac, mac))
					}
					b.turn()
					told += b.toldOf("192.168.5.9:4000")
				}
				if told != 20 {
					t.Fatalf("an honest client heard of %d of 20 packets", told)
				}
			})
		}
	}
}

// One destination is told "too big" at most 100 times a second, by however many workers, and others
// do not suffer.
func TestTooBigIsLimitedByDestination(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.echo(modes.IPIP, 1)), crowd(2))
	tell := func(n int) int {
		for i := range n {
			b.fromClient(largeFrom(fmt.Sprint("192.168.5.9:", 4000+i%16)))
		}
		return b.toldOf("192.168.5.9:4000")
	}
	if n := tell(200); n != 50 {
		t.Fatalf("told %d times at once, want 50", n)
	}
	b.now += 100
	if n := tell(200); n != 10 {
		t.Fatalf("told %d times after 100 ms, want 10", n)
	}
	b.fromClient(largeFrom("192.168.5.8:4000"))
	if b.toldOf("192.168.5.8:4000") != 1 {
		t.Fatal("another destination was not told")
	}
	for _, w := range b.engine.workers {
		if w.counters.totals.Drops[DropTooBig] < 10 {
			t.Fatalf("worker %d dropped next to nothing: the test shows nothing", w.number)
		}
	}
}

// The limit of all other errors is the director's: two workers together send at most 1,000 a
// second.
func TestWorkersShareTheLimitOfErrors(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 0)), crowd(2))
	const seconds = 3
	told := 0
	for range seconds * 1000 {
		b.now++
		for i := range 4 {
			syn := tcp(clientAt(i), webVIP, "S")
			b.deliver(s.front, syn.frame(s.gateway.mac, s.own(s.front).mac))
		}
		b.turn()
		told += len(b.ports[s.front].Collect(0)) + len(b.ports[s.front].Collect(1))
	}
	if most := seconds*1000 + int(errorRate.burst); told > most || told < seconds*1000 {
		t.Fatalf("%d errors in %d seconds, want %d", told, seconds, most)
	}
	for _, w := range b.engine.workers {
		if w.counters.totals.Drops[DropNoRealServer] == 0 {
			t.Fatalf("worker %d refused nothing: the test shows nothing", w.number)
		}
	}
}

// A bucket fills up with time, however long that is, and not by a clock that is a little behind.
func TestRate(t *testing.T) {
	r := rate{perSecond: 100, burst: 3}
	for _, start := range []uint32{0, 1, 1<<32 - 500} {
		now, bucket := start, r.full(7, start)
		take := func(want int) {
			t.Helper()
			n := 0
			for {
				next, ok := r.take(bucket, now)
				if !ok {
					break
				}
				bucket, n = next, n+1
			}
			if n != want || bucket>>bucketTagShift != 7 {
				t.Fatalf("%d tokens at %d, want %d; bucket %#x", n, now-start, want, bucket)
			}
		}
		take(3)
		take(0)
		now += 19
		take(1)
		now-- // another worker's clock
		take(0)
		now += 2
		take(1)
		now += 1 << 31
		take(3)
		now += 1<<32 - bucketSkew - 1
		take(3)
	}
}

// Workers that take at the same time never take more than there is.
func TestLimitsTogether(t *testing.T) {
	l := new(limits)
	l.tooBig.setKey(rand.New(rand.NewPCG(1, 2)))
	var errors, tooBigs atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				if errorRate.takeFrom(&l.errors, 5000) {
					errors.Add(1)
				}
				if l.tooBig.take(tooBigRate, packet.AddrOf4(9), 5000) {
					tooBigs.Add(1)
				}
			}
		})
	}
	all.Wait()
	if errors.Load() != 50 || tooBigs.Load() != 50 {
		t.Fatalf("%d errors and %d too big, want 50 of each", errors.Load(), tooBigs.Load())
	}
}

func TestLimitsAllocateNothing(t *testing.T) {
	l := new(limits)
	a := packet.AddrOf4(1)
	if n := testing.AllocsPerRun(1000, func() {
		a.Lo++
		l.tooBig.take(tooBigRate, a, 1)
		errorRate.takeFrom(&l.errors, 1)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// The clock of one worker is a little behind: a bucket that another has just used is not the
// oldest.
func TestClockAheadKeepsItsBucket(t *testing.T) {
	l := new(limits)
	set := &l.tooBig.sets[0]
	const now = 5000
	for i := range set {
		set[i].Store(tooBigRate.full(uint64(2*i+1), now-uint32(i)))
	}
	set[3].Store(tooBigRate.full(7, now+1))
	if place, _ := bucketOf(set, 99, now); place != &set[addressWays-1] {
		t.Fatal("a place that is not the oldest would be given away")
	}
}
