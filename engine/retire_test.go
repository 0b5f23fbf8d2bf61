package engine

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"fulcrum/modes"
	"fulcrum/packet"
)

// withLocals are the settings of a fullnat service with some local addresses.
func withLocals(local ...netip.Addr) Settings {
	v := twoArm.echo(modes.FullNAT, 2)
	v.LocalAddresses = local
	return twoArm.serving(v)
}

// answersFor reports whether the director answers ARP for an address at the port of the real
// servers.
func (b *bed) answersFor(a netip.Addr) bool {
	b.Helper()
	s := &b.site
	b.receive(s.back, whoHas(a, s.servers[0]))
	return len(collect(b.ports[s.back])) == 1
}

// TestRetiredAddress: a removed local address is answered for while it has sessions, used by no new
// one, and listed; then it is forgotten.
func TestRetiredAddress(t *testing.T) {
	l := twoArm.local
	b := newBed(t, twoArm, withLocals(l...))
	old := b.talks(modes.FullNAT, echoVIP, 0, 10)
	b.apply(withLocals(l[1]))
	b.keep()
	if !b.answersFor(l[0]) || !b.answersFor(l[1]) {
		t.Error("no answer for a local address")
	}
	b.goOn(old, "retired")
	for _, k := range b.talks(modes.FullNAT, echoVIP, 10, 10) {
		if k.source.Addr() != l[1] {
			t.Errorf("a new session is from %v", k.source)
		}
	}
	want := []LocalAddressReport{{l[0], 5, true}, {l[1], 15, false}}
	if got := b.engine.Report().LocalAddresses; !slices.Equal(got, want) {
		t.Errorf("local addresses %v, want %v", got, want)
	}
	id := withLocals().Services[0].ID()
	if got := b.engine.RetiredLocals(); !slices.Equal(got, []RetiredLocal{{id, l[0], 5}}) {
		t.Errorf("retired %v", got)
	}
	if n := b.engine.LocalSessions(id, l[1]); n != 15 {
		t.Errorf("%d sessions from %v", n, l[1])
	}
	b.wait(310_000)
	b.sessions(0)
	b.keep()
	b.nothingKept()
	b.collectAll()
	if b.answersFor(l[0]) || !b.answersFor(l[1]) {
		t.Error("an answer for a former local address, or none for the present one")
	}
	b.dropped("")
}

// TestRetiredAddressIsNotAnnounced: not even if it becomes one after the director's start, and once
// it is current again like any other.
func TestRetiredAddressIsNotAnnounced(t *testing.T) {
	l := twoArm.local
	b := newBed(t, twoArm, withLocals(l...))
	b.talks(modes.FullNAT, echoVIP, 0, 2)
	for _, step := range []struct {
		local []netip.Addr
		want  int
	}{{l[1:], 0}, {l, 1}, {l[:1], 0}, {l[1:], 1}} {
		b.engine.Apply(withLocals(step.local...))
		if got := b.takeAnnouncements(); len(got) != step.want {
			t.Errorf("%v: announced %v", step.local, got)
		}
	}
}

// takeAnnouncements returns the addresses that are to be announced, and takes them off the lists.
func (b *bed) takeAnnouncements() (all []packet.Addr) {
	for i := range b.engine.announcements.ports {
		p := &b.engine.announcements.ports[i]
		for a, t := range p.tasks {
			all = append(all, a)
			p.forget(t)
		}
	}
	return all
}

// TestNoSessionNoRetirement: an address without sessions is given up as soon as all workers know.
// Until then a worker may still use it.
func TestNoSessionNoRetirement(t *testing.T) {
	l := twoArm.local
	b := newBed(t, twoArm, withLocals(l...), crowd(2))
	b.engine.Apply(withLocals(l[1]))
	b.engine.workers[0].Turn(b.now)
	b.keepAt(time.Now())
	if len(b.engine.registry.retired) != 1 {
		t.Error("given up although a worker may still use it")
	}
	b.engine.workers[1].Turn(b.now)
	b.keepAt(time.Now())
	b.nothingKept()
	b.turn()
	b.announced()
}

// TestRetiredAddressOfAnother: an address that becomes another station's is not the director's any
// more, whatever sessions it has; a former one comes back with its sessions.
func TestRetiredAddressOfAnother(t *testing.T) {
	l := twoArm.local
	for name, take := range map[string]func(n *Settings){
		"neighbour": func(n *Settings) {
			n.Neighbours = append(n.Neighbours, StaticNeighbour{l[0], packet.MAC{2, 9}, 1})
		},
		"gateway": func(n *Settings) {
			n.Routes = append(n.Routes, Route{To: netip.MustParsePrefix("10.9.0.0/16"), Via: l[0], Port: 1})
		},
		"real server": func(n *Settings) {
			v := &n.Services[0]
			v.RealServers = append(slices.Clone(v.RealServers),
				RealServer{Address: netip.AddrPortFrom(l[0], 7), Weight: 0})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, twoArm, withLocals(l...))
			old := b.talks(modes.FullNAT, echoVIP, 0, 10)
			n := withLocals(l[1])
			take(&n)
			b.apply(n)
			if _, ours := b.engine.snap.Load().kindOf(packet.AddrOf(l[0])); ours {
				t.Error("it is still the director's")
			}
			if got := b.engine.RetiredLocals(); len(got) != 0 {
				t.Errorf("retired %v", got)
			}
			b.apply(withLocals(l[1]))
			b.goOn(old, "the station is gone")
		})
	}
}

// TestRetiredAddressOfARemovedService: sessions of a removed service need no address, since their
// packets are dropped. If the service comes back they go on.
func TestRetiredAddressOfARemovedService(t *testing.T) {
	l := twoArm.local
	for _, workers := range []int{1, 2, 4} {
		b := newBed(t, twoArm, withLocals(l...), crowd(workers), anywhereIn(workers))
		old := b.talks(modes.FullNAT, echoVIP, 0, 20)
		b.apply(twoArm.serving())
		if b.answersFor(l[0]) {
			t.Error("an answer for a local address of a removed service")
		}
		b.apply(withLocals(l[1]))
		b.keep()
		b.goOn(old, "the service is back")
		n := withLocals(l[1])
		n.Services[0].RealServers = n.Services[0].RealServers[:1]
		b.apply(n)
		b.keep()
		b.apply(withLocals(l[1]))
		b.keep()
		b.goOn(old, "the real server is back")
	}
}

// TestNumbersAreUsedAgain: local addresses that come and go do not use up memory.
func TestNumbersAreUsedAgain(t *testing.T) {
	b := newBed(t, twoArm, withLocals(twoArm.local[0]))
	a := twoArm.local[0]
	for range 100 {
		a = a.Next()
		b.apply(withLocals(a))
		b.talks(modes.FullNAT, echoVIP, 0, 1)
		b.wait(310_000)
		b.keep()
	}
	live := b.engine.snap.Load().order[0].live
	if n := len(live.numbers.addresses); n > 3 {
		t.Errorf("%d numbers", n)
	}
	if n := live.numbers.of.used; n > 3 {
		t.Errorf("%d numbered addresses", n)
	}
}

// TestLocalsOfBothFamilies: a service of IPv6 clients may have real servers of both families, each
// with local addresses of its own.
func TestLocalsOfBothFamilies(t *testing.T) {
	c := newCrossing(t, modes.FullNAT, packet.ProtocolTCP, true, func(v *Service) {
		six := twoArm.twin()
		v.LocalAddresses = append(slices.Clone(six.local), twoArm.local...)
	})
	for range 8 {
		var d decision
		w := c.bed.worker
		d.service, d.id = w.snap.order[0], 0
		d.server = w.snap.servers[0]
		w.peers[0].turn++
		d.turn = w.peers[0].turn
		if w.nextLocal(&d); !d.out.Dst.Is4() {
			t.Fatalf("an IPv4 real server gets the local address %v", d.out.Dst)
		}
	}
}
