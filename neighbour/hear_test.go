package neighbour

import (
	"fmt"
	"testing"

	"fulcrum/packet"
)

// The MACs of the tables below.
var (
	cached = packet.MAC{2, 0, 0, 0, 1, 1}
	other  = packet.MAC{2, 0, 0, 0, 1, 2}
	none   packet.MAC
)

// heardOf returns a world with one neighbour, fd00::9, in a state, with the MAC cached unless it is
// Incomplete. If it is proven, it has answered a question.
func heardOf(t *testing.T, state State, proven bool) (*world, Hop) {
	w := newWorld(t, 0, "fd00::1/64")
	h := w.find(packet.Addr{Hi: 0xfd00 << 48, Lo: 9}, 0)
	w.now += Retry
	if state != Incomplete {
		w.hears(h, cached, proven, true)
	}
	w.table.entries[h].state = state
	w.table.changes++
	w.table.settle(h)
	return w, h
}

// hears takes an advertisement.
func (w *world) hears(h Hop, mac packet.MAC, solicited, override bool) Reception {
	n := packet.ND{
		Type: packet.ICMP6Advertisement, Src: w.table.At(h).Address, Target: w.table.At(h).Address,
		Dst: w.source(0), LinkLayer: mac,
	}
	if solicited {
		n.Flags |= packet.NDSolicited
	}
	if override {
		n.Flags |= packet.NDOverride
	}
	r, _ := w.table.ReceiveND(&n, w.here(0, n.Target, n.Target), w.now)
	w.check()
	return r
}

// TestAdvertisements has every combination of RFC 4861, 7.2.5 and appendix C, for an entry whose
// MAC is not proven: Solicited, Override, and the target link-layer address, in every state. Delay
// is Stale with Used.
func TestAdvertisements(t *testing.T) {
	type row struct {
		solicited, override bool
		mac                 packet.MAC
		state               State // afterwards; Free if it does not change
		learns              packet.MAC
	}
	incomplete := []row{
		{false, false, none, Free, none}, {false, true, none, Free, none},
		{true, false, none, Free, none}, {true, true, none, Free, none},
		{false, false, other, Stale, other}, {false, true, other, Stale, other},
		{true, false, other, Reachable, other}, {true, true, other, Reachable, other},
	}
	known := func(differs State) []row { // differs: when another MAC comes without Override
		return []row{
			{false, false, none, Free, cached}, {false, true, none, Free, cached},
			{true, false, none, Reachable, cached}, {true, true, none, Reachable, cached},
			{false, false, cached, Free, cached}, {false, true, cached, Free, cached},
			{true, false, cached, Reachable, cached}, {true, true, cached, Reachable, cached},
			{false, false, other, differs, cached}, {true, false, other, differs, cached},
			{false, true, other, Stale, other}, {true, true, other, Reachable, other},
		}
	}
	for state, rows := range map[State][]row{
		Incomplete: incomplete, Failed: incomplete,
		Reachable: known(Stale), Stale: known(Free), Probing: known(Free),
	} {
		for _, delay := range []bool{false, true} {
			for _, tt := range rows {
				name := fmt.Sprintf("%v/S=%t,O=%t,%v,delay=%t", state, tt.solicited, tt.override,
					tt.mac, delay)
				t.Run(name, func(t *testing.T) {
					w, h := heardOf(t, state, false)
					e := w.table.At(h)
					e.Used = delay
					w.hears(h, tt.mac, tt.solicited, tt.override)
					want := tt.state
					if want == Free {
						want = state
					}
					if e.State() != want || e.HasMAC() && e.MAC() != tt.learns {
						t.Errorf("%v at %v, want %v at %v", e.State(), e.MAC(), want, tt.learns)
					}
				})
			}
		}
	}
}

// TestProvenMACStays: no message moves an entry whose MAC has answered. Another MAC with Override
// has the old one asked at once, in every state.
func TestProvenMACStays(t *testing.T) {
	for _, state := range []State{Reachable, Stale, Probing} {
		for _, solicited := range []bool{false, true} {
			w, h := heardOf(t, state, true)
			e := w.table.At(h)
			e.tries = 1
			r := w.hears(h, other, solicited, true)
			if e.State() != Probing || e.MAC() != cached || !r.Tell || r.Learnt != 0 {
				t.Errorf("%v, S=%t: %v at %v, %+v", state, solicited, e.State(), e.MAC(), r)
			}
			asked := r.Ask == Question{Hop: h, To: cached}
			if asked != (state != Probing) { // that one has been asked already
				t.Errorf("%v, S=%t: asks %v", state, solicited, r.Ask)
			}
		}
	}
	w, h := heardOf(t, Reachable, true)
	w.hears(h, other, true, false)
	if e := w.table.At(h); e.State() != Stale || e.MAC() != cached {
		t.Errorf("without Override: %v at %v, want %v at %v", e.State(), e.MAC(), Stale, cached)
	}
}

// TestSolicitationsTellMACs: a solicitation or a router's message that gives its sender's MAC makes
// a known entry stale if the MAC is another one (RFC 4861, 7.2.3, 6.2.6 and 6.3.4). Only a
// solicitation for the director adds an entry.
func TestSolicitationsTellMACs(t *testing.T) {
	for _, typ := range []uint8{
		packet.ICMP6Solicitation, packet.ICMP6RouterSolicit, packet.ICMP6RouterAdvert,
	} {
		for _, tt := range []struct {
			mac   packet.MAC
			state State
			want  packet.MAC
		}{{cached, Reachable, cached}, {none, Reachable, cached}, {other, Stale, other}} {
			w, h := heardOf(t, Reachable, false)
			n := packet.ND{Type: typ, Src: w.table.At(h).Address, LinkLayer: tt.mac}
			w.table.ReceiveND(&n, w.here(0, n.Src, n.Target), w.now)
			if e := w.table.At(h); e.State() != tt.state || e.MAC() != tt.want {
				t.Errorf("type %d with %v: %v at %v, want %v at %v", typ, tt.mac, e.State(), e.MAC(),
					tt.state, tt.want)
			}
		}
		w := newWorld(t, 0, "fd00::1/64")
		n := packet.ND{Type: typ, Src: packet.Addr{Hi: 0xfd00 << 48, Lo: 7}, LinkLayer: other}
		w.table.ReceiveND(&n, w.here(0, n.Src, n.Target), w.now)
		n.Target = w.source(0)
		w.table.ReceiveND(&n, w.here(0, n.Src, n.Target), w.now)
		if added := w.table.Len(); added != 0 != (typ == packet.ICMP6Solicitation) {
			t.Errorf("type %d added %d entries", typ, added)
		}
	}
}

// TestUnknownAdvertisementsAddNothing: also not by news; but another worker may have asked.
func TestUnknownAdvertisementsAddNothing(t *testing.T) {
	w := newWorld(t, 0, "fd00::1/64")
	a := packet.Addr{Hi: 0xfd00 << 48, Lo: 9}
	n := packet.ND{Type: packet.ICMP6Advertisement, Src: a, Target: a, LinkLayer: other}
	told := 0
	for i := range 1000 {
		n.Flags = packet.NDFlags(i%2) << 6 // Solicited
		r, _ := w.table.ReceiveND(&n, w.here(0, a, a), w.now)
		if r.Tell {
			told++
		}
	}
	w.news(Message{Address: a, MAC: other, Solicited: true, Override: true})
	if w.table.Len() != 0 || told != newsOfStrangers {
		t.Errorf("%d entries, told %d times, want 0 and %d", w.table.Len(), told, newsOfStrangers)
	}
}
