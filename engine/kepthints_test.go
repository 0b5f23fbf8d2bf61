package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"fulcrum/modes"
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// tellAll has the gateway, the neighbour and the real servers tell the director their MACs.
func (b *bed) tellAll() {
	b.Helper()
	s := b.site
	front, back := s.own(s.front), s.own(s.back)
	b.receive(s.front, tells(s.gateway, front), tells(s.neighbour, front))
	for _, rs := range s.servers {
		b.receive(s.back, tells(rs, back))
	}
	b.collectAll()
}

// onLink is a packet to the web service from the client on the front subnet.
func (s *site) onLink(flags string) pkt {
	return tcp("10.0.0.9:4000", webVIP, flags)
}

// carried returns the frames that carry a text, whatever else was sent.
func (b *bed) carried(text string) (all [][]byte) {
	for _, frames := range b.collectAll() {
		for _, f := range frames {
			if bytes.Contains(f, []byte(text)) {
				all = append(all, f)
			}
		}
	}
	return all
}

// restartUnheard ends a director and starts another one, which has not turned yet. No station
// tells it anything.
func (b *bed) restartUnheard(n Settings, folder string, workers int) *bed {
	b.Helper()
	b.keep()
	b.close()
	return newSilentBed(b.TB, b.site, n, keptIn(folder, workers))
}

// TestFirstPacketsAfterARestart: packets of kept sessions do not wait for a neighbour, in either
// direction, although no station has said anything since.
func TestFirstPacketsAfterARestart(t *testing.T) {
	eachKept(t, func(t *testing.T, s site, m modes.Mode, workers int) {
		folder, n := t.TempDir(), s.resolving(s.web(m, 3))
		b := newBed(t, s, n, keptIn(folder, workers))
		b.receive(s.front, asksFor(s.own(s.front).addr, s.neighbour))
		b.tellAll()
		far, near := tcp(client, webVIP, "S"), s.onLink("S")
		was := []trail{b.ask(m, far), b.ask(m, near)}
		for _, now := range []int{workers, 2} {
			b = b.restartUnheard(n, folder, now)
			r := b.engine.Kept()
			if len(r.Aside) != 0 || r.Kept != 2 {
				t.Fatalf("%+v", r)
			}
			b.passOn(far, near)
			b.passBack(m, was...)
			b.dropped("")
		}
	})
}

// passOn has clients send with the director's first turn, and expects all of it at real servers.
func (b *bed) passOn(packets ...pkt) {
	b.Helper()
	s, to := b.site, map[packet.MAC]bool{}
	for _, rs := range s.servers {
		to[rs.mac] = true
	}
	for _, p := range packets {
		p.flags = packet.TCPAck | packet.TCPPsh
		b.deliver(s.front, s.in(p.carrying("first packet")).frame(s.gateway.mac, s.own(s.front).mac))
	}
	b.turn()
	got := 0
	for _, f := range b.carried("first packet") {
		if to[packet.Ethernet(f).Dst()] {
			got++
		}
	}
	if kept := b.engine.Kept().Kept; got != kept {
		b.Fatalf("%d packets are at real servers, want %d; dropped %q", got, kept, b.drops())
	}
}

// passBack has real servers answer a client behind the gateway and one on the front subnet.
func (b *bed) passBack(m modes.Mode, trails ...trail) {
	b.Helper()
	if !m.TwoWay() {
		return
	}
	s := b.site
	for i, to := range []host{s.gateway, s.neighbour} {
		p := tcp(client, webVIP, "PA").carrying("first answer")
		p.src, p.dst = trails[i].dst, trails[i].src
		b.receive(s.back, p.frame(trails[i].mac, s.own(s.back).mac))
		got := b.carried("first answer")
		if len(got) != 1 || packet.Ethernet(got[0]).Dst() != to.mac {
			b.Fatalf("%d answers, want one to %v; dropped %q", len(got), to.mac, b.drops())
		}
	}
}

// TestMovedStationAfterARestart: what a hint says wrong is mended about a second after the start.
func TestMovedStationAfterARestart(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		folder, n := t.TempDir(), s.resolving(s.web(modes.DR, 1))
		b := newBed(t, s, n, keptIn(folder, 1))
		b.tellAll()
		b.ask(modes.DR, tcp(client, webVIP, "S"))
		b = b.restartUnheard(n, folder, 1)
		moved, went := host{s.servers[0].addr, packet.MAC{2, 0, 0, 0, 9, 9}}, map[packet.MAC]int{}
		for range 11 {
			p := s.in(tcp(client, webVIP, "A").carrying("here?"))
			b.deliver(s.front, p.frame(s.gateway.mac, s.own(s.front).mac))
			b.wait(100)
			for _, f := range collect(b.ports[s.back]) {
				to := packet.Ethernet(f).Dst()
				if bytes.Contains(f, []byte("here?")) {
					went[to]++
				} else if to.IsMulticast() && isQuestion(f, moved.addr) {
					b.deliver(s.back, tells(moved, s.own(s.back)))
				}
			}
		}
		b.turn()
		b.collectAll()
		if at := b.ask(modes.DR, tcp(client, webVIP, "A")); at.mac != moved.mac {
			t.Errorf("packets go to %v, want %v", at.mac, moved.mac)
		}
		if was := s.servers[0].mac; went[was] == 0 || went[was] > 10 {
			t.Errorf("%v", went)
		}
		b.dropped("")
	})
}

// TestSilentStationAfterARestart: a neighbour that is gone is asked as any other, and given up.
func TestSilentStationAfterARestart(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		folder, n := t.TempDir(), s.resolving(s.web(modes.DR, 1))
		b := newBed(t, s, n, keptIn(folder, 1))
		b.tellAll()
		b.ask(modes.DR, tcp(client, webVIP, "S"))
		b = b.restartUnheard(n, folder, 1)
		b.passOn(tcp(client, webVIP, "S"))
		b.wait(5000)
		b.fromClient(tcp(client, webVIP, "A"))
		b.wait(2000)
		b.dropped("neighbour_failed=1")
	})
}

// TestOldHints: what a director knew that has been gone for ten minutes is not used.
func TestOldHints(t *testing.T) {
	s, folder := oneArm, t.TempDir()
	n := s.resolving(s.web(modes.DR, 1))
	b := newBed(t, s, n, keptIn(folder, 1))
	b.tellAll()
	b.keep()
	b.close()
	for gone, want := range map[uint32]int{
		neighbour.ForgetTime - 1: 2, neighbour.ForgetTime: 0, 1<<32 - 5000: 2, // its clock was ahead
	} {
		left := filepath.Join(t.TempDir(), "keep")
		if err := os.CopyFS(left, os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
		table, err := os.OpenFile(filepath.Join(left, "run-0", "table-0"), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		beat := binary.NativeEndian.AppendUint32(nil, 1_000_000-gone) // as Table.Beat does
		_, err = table.WriteAt(beat, 64)
		if err = errors.Join(err, table.Close()); err != nil {
			t.Fatal(err)
		}
		next := newSilentBed(t, s, n, keptIn(left, 1))
		if got := next.hinted(); len(got) != want {
			t.Errorf("gone for %d ms: %v, want %d", gone, got, want)
		}
	}
}

// hinted returns the neighbours that each worker of a director knows, which must be the same.
func (b *bed) hinted() map[neighbour.Hint]bool {
	b.Helper()
	var first map[neighbour.Hint]bool
	for i, w := range b.engine.workers {
		all := map[neighbour.Hint]bool{}
		for h := 1; h < w.neighbours.Places(); h++ {
			if hint, ok := w.neighbours.HintOf(neighbour.Hop(h)); ok {
				all[hint] = true
			}
		}
		if i == 0 {
			first = all
		} else if fmt.Sprint(all) != fmt.Sprint(first) {
			b.Fatalf("worker %d knows %v, the first %v", i, all, first)
		}
	}
	return first
}

// TestHintsOfAnotherConfiguration: what is not on a port's network any more, or is configured, is
// no hint. A port is known by its name.
func TestHintsOfAnotherConfiguration(t *testing.T) {
	s := twoArm
	n := s.resolving(s.web(modes.DR, 3))
	n.Neighbours = []StaticNeighbour{{s.servers[2].addr, s.servers[2].mac, 1}}
	proven := func(h host, port uint16) neighbour.Hint {
		return neighbour.Hint{Address: packet.AddrOf(h.addr), Port: port, MAC: h.mac, Proven: true}
	}
	gateway, guest := proven(s.gateway, 0), station("10.0.0.80", 80)
	unproven := neighbour.Hint{Address: packet.AddrOf(guest.addr), MAC: guest.mac}
	first, second := proven(s.servers[0], 1), proven(s.servers[1], 1)
	for name, tt := range map[string]struct {
		change func(*Settings)
		names  map[string]string
		want   []neighbour.Hint
	}{
		"the same": {
			func(*Settings) {}, nil, []neighbour.Hint{gateway, unproven, first, second},
		},
		"another subnet":      {subnetOf(1, "10.9.0.1/24"), nil, []neighbour.Hint{gateway, unproven}},
		"a broadcast address": {subnetOf(1, "10.1.0.9/30"), nil, []neighbour.Hint{gateway, unproven}},
		"the director's own": {
			subnetOf(1, "10.1.0.12/24"), nil, []neighbour.Hint{gateway, unproven, first},
		},
		"another name": {
			func(*Settings) {}, map[string]string{"port 1": "back"}, []neighbour.Hint{gateway, unproven},
		},
		"names are swapped": {
			func(*Settings) {}, map[string]string{"port 0": "port 1", "port 1": "port 0"}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			b := newBed(t, s, n, keptIn(folder, 2))
			b.receive(0, asksFor(s.own(0).addr, guest), tells(s.gateway, s.own(0)))
			b.receive(1, tells(s.servers[0], s.own(1)), tells(s.servers[1], s.own(1)))
			// Only the worker that received it has the guest, which has answered nothing.
			b.keep()
			b.close()
			changed := n
			changed.Ports = append([]PortSettings(nil), n.Ports...)
			tt.change(&changed)
			b = newSilentBed(t, s, changed, keptIn(folder, 3), func(c *bedConfig) {
				c.wrap = func(p ports.Port) ports.Port { return renamed{p, tt.names} }
			})
			got := b.hinted()
			for _, h := range tt.want {
				if !got[h] {
					t.Errorf("%v is missing", h)
				}
			}
			if len(got) != len(tt.want) || len(b.engine.Kept().Aside) != 0 {
				t.Errorf("%v, want %v; %+v", got, tt.want, b.engine.Kept())
			}
		})
	}
}

// subnetOf gives a port another address.
func subnetOf(port int, address string) func(*Settings) {
	return func(n *Settings) {
		n.Ports[port].Addresses = []netip.Prefix{netip.MustParsePrefix(address)}
	}
}

// renamed is a port with another name.
type renamed struct {
	ports.Port
	names map[string]string
}

func (r renamed) Name() string {
	if name, ok := r.names[r.Port.Name()]; ok {
		return name
	}
	return r.Port.Name()
}

// TestHintsAfterACrash: what was written last is there although nothing was closed.
func TestHintsAfterACrash(t *testing.T) {
	s, folder := oneArm, t.TempDir()
	n := s.resolving(s.web(modes.NAT, 3))
	b := newBed(t, s, n, keptIn(folder, 2))
	b.tellAll()
	b.ask(modes.NAT, tcp(client, webVIP, "S"))
	b.keep()
	want := b.hinted()
	for range 2 { // the second director dies before it has looked at its neighbours
		left := filepath.Join(t.TempDir(), "keep")
		if err := os.CopyFS(left, os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
		next := newSilentBed(t, s, n, keptIn(left, 2))
		if got := next.hinted(); fmt.Sprint(got) != fmt.Sprint(want) || len(got) != 4 {
			t.Fatalf("%v, want %v", got, want)
		}
		next.passOn(tcp(client, webVIP, "S"))
		folder = left
	}
}

// TestHintsAreWrittenWhenTheyChange: and otherwise each worker is asked one question.
func TestHintsAreWrittenWhenTheyChange(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.resolving(s.web(modes.NAT, 3)), keptIn(t.TempDir(), 2))
	look := func(fails bool) (asked int, written uint64) {
		b.engine.keepHints(func(worker int, do func(*Worker) bool) error {
			if asked++; fails {
				return errors.New("the worker is busy")
			}
			do(b.engine.workers[worker])
			return nil
		})
		return asked, b.engine.kept.hints.list.number
	}
	expect := func(what string, fails bool, asked int, written uint64) {
		t.Helper()
		if a, w := look(fails); a != asked || w != written {
			t.Errorf("%s: %d questions, list %d; want %d and %d", what, a, w, asked, written)
		}
	}
	expect("nothing is known", false, 2, 0)
	b.tellAll()
	expect("a worker does not answer", true, 1, 0)
	expect("all have answered", false, 4, 1)
	expect("no change", false, 2, 1)
	b.tellAll()
	b.wait(20_000)
	b.tellAll()
	expect("the same again", false, 2, 1)
	b.wait(60_000)
	expect("none answers any more", false, 4, 2)
}

// TestHintsNeedKeep: a director that keeps no sessions asks its workers for nothing.
func TestHintsNeedKeep(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.resolving(s.web(modes.NAT, 3)))
	b.tellAll()
	b.engine.keepHints(func(int, func(*Worker) bool) error {
		t.Error("a worker is asked")
		return nil
	})
}

// TestBestHints: of what several workers know, the configuration's neighbours go first into a list
// that is full, and then those that have answered. Of two about a station the better one stays.
func TestBestHints(t *testing.T) {
	c := hintCollection{at: map[hintKey]int{}}
	add := func(i uint32, rank int) {
		c.add(rankedHint{neighbour.Hint{Address: packet.AddrOf4(i), Proven: rank > 0}, rank})
	}
	const strangers, proven, pinned = 40_000, 30_000, 1000
	for i := range uint32(strangers) {
		add(i, 0)
	}
	for i := range uint32(proven) {
		add(50_000+i, 1)
	}
	for i := range uint32(pinned) {
		add(i, 2)
		add(i, 0)
	}
	all, count := c.best(), map[bool]int{}
	for _, h := range all {
		count[h.Proven]++
	}
	if len(all) != neighbour.MaxEntries || count[true] != proven+pinned ||
		all[0].Address != packet.AddrOf4(0) {
		t.Errorf("%d hints, %v; the first is %v", len(all), count, all[0])
	}
}
