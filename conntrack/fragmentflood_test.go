package conntrack

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/packet"
)

// floods are the sources of a flood's n-th fragment, in the family that is asked for.
var floods = map[string]func(n uint32, six bool) packet.Addr{
	"one source": func(_ uint32, six bool) packet.Addr { return strangerAt(7, six) },
	"a network of 256 sources": func(n uint32, six bool) packet.Addr {
		return strangerAt(0x0a000000+n%256, six)
	},
	"sources that never come again": func(n uint32, six bool) packet.Addr {
		return strangerAt(0x20000000+n, six)
	},
	"one IPv6 network": func(n uint32, six bool) packet.Addr {
		if six {
			return packet.Addr{Hi: 0x2001_0db8_0000_0007, Lo: uint64(n)}
		}
		return strangerAt(7, six)
	},
}

// strangerAt returns the address of a source with a number; in IPv6 each has a network of its own.
func strangerAt(n uint32, six bool) packet.Addr {
	if six {
		return packet.Addr{Hi: 0x2001_0db9<<32 | uint64(n), Lo: 1}
	}
	return packet.AddrOf4(n)
}

// flooded is a table that gets fragments from others.
type flooded struct {
	t              *testing.T
	f              *Fragments
	six            bool
	perMillisecond int
	source         func(n uint32, six bool) packet.Addr
	send           func(m *flooded, d *Datagram)
	now, n         uint32
	held           map[Place]*Datagram
}

// newFlooded returns a table that gets 20,000 fragments a second.
func newFlooded(t *testing.T, from, what string, six bool) *flooded {
	m := &flooded{
		t: t, f: NewFragments(1024, 0x5eed), six: six, perMillisecond: 20, source: floods[from],
		send: floodsOf[what], held: map[Place]*Datagram{},
	}
	m.wait(2000)
	return m
}

// floodsOf are the fragments of a flood: later ones without a first, first ones without others, or
// both.
var floodsOf = map[string]func(m *flooded, d *Datagram){
	"later": func(m *flooded, d *Datagram) { m.later(d, piece2) },
	"first": func(m *flooded, d *Datagram) { m.first(d, piece1) },
	"both": func(m *flooded, d *Datagram) {
		if d.ID%2 == 0 {
			m.later(d, piece2)
		} else {
			m.first(d, piece1)
		}
	},
}

func (m *flooded) datagram(src packet.Addr, id uint32) *Datagram {
	d := &Datagram{Src: src, Dst: packet.AddrOf4(testVIP), ID: id, Protocol: packet.ProtocolUDP}
	if m.six {
		d.Dst, d.Protocol = testVIP6, 0
	}
	return d
}

// wait lets milliseconds pass under the flood.
func (m *flooded) wait(ms uint32) {
	for range ms {
		m.now++
		for range m.perMillisecond {
			m.n++
			m.send(m, m.datagram(m.source(m.n, m.six), m.n))
		}
		for _, d := range m.f.Expire(m.now, nil) {
			m.leave(d.Place)
		}
	}
}

func (m *flooded) first(d *Datagram, p Piece) {
	released, _ := m.f.First(d, p, testDecision, m.now, nil)
	for _, at := range released {
		m.leave(at)
	}
}

// later sends a fragment that is not its datagram's first, and reports whether it was forwarded.
func (m *flooded) later(d *Datagram, p Piece) bool {
	_, hold, verdict := m.f.Later(d, p, m.now)
	if verdict == FragmentHeld {
		if hold.Displaced != FragmentForwarded {
			m.leave(hold.Place)
		}
		if m.held[hold.Place] != nil {
			m.t.Fatalf("place %d given out twice", hold.Place)
		}
		m.held[hold.Place] = d
	}
	return verdict == FragmentForwarded
}

func (m *flooded) leave(at Place) {
	if m.held[at] == nil {
		m.t.Fatalf("place %d comes back without a fragment", at)
	}
	delete(m.held, at)
}

// reordered reports whether a datagram arrives whose first of two fragments comes some ms after the
// other.
func (m *flooded) reordered(d *Datagram, ms uint32) bool {
	m.later(d, piece3)
	m.wait(ms)
	waits := m.holds(d)
	m.first(d, Piece{0, piece3.Offset, true})
	return waits && !m.holds(d)
}

func (m *flooded) holds(d *Datagram) bool {
	for _, held := range m.held {
		if held == d {
			return true
		}
	}
	return false
}

// ordered reports whether a datagram arrives whose first of two fragments comes some ms before the
// other.
func (m *flooded) ordered(d *Datagram, ms uint32) bool {
	m.first(d, Piece{0, piece3.Offset, true})
	m.wait(ms)
	return m.later(d, piece3)
}

// eachFlood runs a test for every flood in both families.
func eachFlood(t *testing.T, test func(t *testing.T, m *flooded)) {
	for from := range floods {
		for what := range floodsOf {
			for _, six := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s from %s, IPv6 %t", what, from, six), func(t *testing.T) {
					test(t, newFlooded(t, from, what, six))
				})
			}
		}
	}
}

// TestHonestDatagramsArriveUnderFloods: 500 datagrams of hosts that send one each.
func TestHonestDatagramsArriveUnderFloods(t *testing.T) {
	eachFlood(t, func(t *testing.T, m *flooded) {
		behind, ahead := 0, 0
		for i := range uint32(500) {
			if m.reordered(m.datagram(strangerAt(0xc0a80000+2*i, m.six), i), 1+i%8) {
				behind++
			}
			if m.ordered(m.datagram(strangerAt(0xc0a80001+2*i, m.six), i), 1+i%8) {
				ahead++
			}
		}
		if behind < 495 || ahead < 495 {
			t.Errorf("%d reordered and %d ordered datagrams of 500 arrive", behind, ahead)
		}
	})
}

// TestProvenSourcesGiveWayLast: fragments of a source whose datagrams arrive wait as long as ever,
// under a flood three times as fast.
func TestProvenSourcesGiveWayLast(t *testing.T) {
	eachFlood(t, func(t *testing.T, m *flooded) {
		host := strangerAt(0xc0a80001, m.six)
		if !m.ordered(m.datagram(host, 1), 0) {
			t.Fatal("a datagram does not arrive")
		}
		m.perMillisecond = 60
		if !m.reordered(m.datagram(host, 2), holdTimeout-1) {
			t.Error("a reordered datagram does not arrive")
		}
		if !m.ordered(m.datagram(host, 20), holdTimeout-1) {
			t.Error("an ordered datagram does not arrive")
		}
	})
}

// TestProofsLeaveSpace: sources that have proven themselves and then flood do not keep a stranger
// out. A flood of complete datagrams does not take a proof away.
func TestProofsLeaveSpace(t *testing.T) {
	m := newFlooded(t, "a network of 256 sources", "later", false)
	host := strangerAt(0xc0a80001, false)
	m.ordered(m.datagram(host, 1), 0)
	for i := range uint32(10_000) {
		m.ordered(m.datagram(m.source(i, false), 1<<15+i), 0)
		m.ordered(m.datagram(strangerAt(0x30000000+i, false), i), 0)
	}
	m.wait(100)
	if !m.reordered(m.datagram(strangerAt(0xc0a80002, false), 1), 4) {
		t.Error("a stranger's datagram does not arrive")
	}
	if !m.reordered(m.datagram(host, 2), 4) {
		t.Error("a proven source's datagram does not arrive")
	}
	if got := m.f.proofs.standing(m.f.sourceOf(m.datagram(host, 1)), m.now); got != proven {
		t.Error("the proof is gone")
	}
	m.f.Expire(m.now+proofTime, nil)
	got := m.f.proofs.standing(m.f.sourceOf(m.datagram(host, 1)), m.now+2*proofTime)
	if got != unproven {
		t.Error("the proof lasts for ever")
	}
}

// TestPlacesStayInOrder draws fragments of few and many sources, with hardly ever a free place.
func TestPlacesStayInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, now, id := NewFragments(512, rapid.Uint64Min(1).Draw(t, "seed")), uint32(1<<32-2000), uint32(0)
		of := func() *Datagram {
			src := packet.AddrOf4(rapid.Uint32Range(0, 30).Draw(t, "source"))
			return &Datagram{Src: src, Dst: packet.AddrOf4(testVIP), ID: id % 400, Protocol: 17}
		}
		t.Repeat(map[string]func(*rapid.T){
			"flood": func(t *rapid.T) {
				src := of()
				for range rapid.IntRange(1, 300).Draw(t, "n") {
					id++
					d := *src
					d.ID = id % 400
					f.Later(&d, Piece{uint16(8 + id%80), 8, true}, now)
				}
			},
			"later":   func(t *rapid.T) { id++; f.Later(of(), Piece{8, 16, true}, now) },
			"overlap": func(t *rapid.T) { f.Later(of(), Piece{16, 16, true}, now) },
			"first":   func(t *rapid.T) { f.First(of(), Piece{0, 8, true}, testDecision, now, nil) },
			"time": func(t *rapid.T) {
				now += rapid.SampledFrom([]uint32{1, 100, 999, 1000}).Draw(t, "ms")
				f.Expire(now, nil)
			},
			"": func(t *rapid.T) { checkPlaces(t, &f.waiting, now) },
		})
	})
}

// checkPlaces: each place is free, abandoned, or in the lists of its source and its standing, the
// oldest first.
func checkPlaces(t *rapid.T, w *waiting, now uint32) {
	groups, n := map[uint16]uint16{}, int(w.abandoned.n)
	for s := range w.ages {
		age := uint32(1<<32 - 1)
		for link := w.ages[s].first; link != 0; link = w.places[link-1].links[byAge].after {
			p := &w.places[link-1]
			if now-p.since > age || int(p.standing) != s {
				t.Fatalf("%+v in list %d after one of age %d", p, s, age)
			}
			age = now - p.since
			groups[p.group]++
			n++
		}
	}
	crowded := 0
	for g := range w.sources {
		if w.sources[g].n != groups[uint16(g)] {
			t.Fatalf("group %d has %d; want %d", g, w.sources[g].n, groups[uint16(g)])
		}
		if groups[uint16(g)] > waitingShare {
			crowded++
		}
	}
	free := 0
	for link := w.unused; link != 0; link = w.places[link-1].next {
		free++
	}
	if n != w.n || n+free != MaxWaiting || crowded != w.nCrowded {
		t.Fatalf("%d places, %d free, %d crowded groups; want %d and %d", n, free, crowded, w.n,
			w.nCrowded)
	}
}
