package sched_test

import (
	"net/netip"
	"sync/atomic"
	"testing"

	"fulcrum/packet"
	"fulcrum/sched"
)

var localities = []sched.Kind{sched.LBLC, sched.LBLCR}

const minute = 60 * 1000

// to is the first packet to one of many VIPs.
func to(vip int, now uint32) sched.Request {
	r := firstOf(request.Src, packet.AddrOf4(0x0b000000+uint32(vip)))
	r.Now = now
	return r
}

// pickTo begins a session to a VIP and returns the index of its real server.
func pickTo(p *sched.Pool, vip int, now uint32) int {
	i, ok := p.Pick(to(vip, now))
	if ok {
		p.At(i).Load.Begin()
	}
	return i
}

// A flood of VIPs fills the memory and no more. VIPs in use before keep their real server, those
// that find no place are picked by load each time, and after some idle minutes there is room again.
func TestFloodOfDestinations(t *testing.T) {
	const limit = 2 * 16384
	for _, kind := range localities {
		_, servers := newPool(kind, 1, 1)
		p := publish(new(atomic.Pointer[sched.Pool]), kind, servers)
		first := pickTo(p, 0, 0)
		for vip := 1; vip < 3*limit; vip++ {
			pickTo(p, vip, 1000)
		}
		remembered := func(vip int, now uint32) bool {
			i := pickTo(p, vip, now)
			return pickTo(p, vip, now) == i
		}
		if pickTo(p, 0, 2000) != first || !remembered(limit-1, 2000) {
			t.Errorf("%v: a VIP that was in use has lost its real server", kind)
		}
		if remembered(limit, 2000) && remembered(limit+1, 2000) {
			t.Errorf("%v: more than %d VIPs are remembered", kind, limit)
		}
		// Half of them are dropped a minute, while there are more than the kernel's 16384.
		if pickTo(p, 0, 10*minute); !remembered(limit, 10*minute) {
			t.Errorf("%v: no room for another VIP after the flood", kind)
		}
	}
}

// The kernel looks every minute, and sweeps every 30th time: a VIP that was idle for a day is
// forgotten then, not before.
func TestIdleDestinationIsForgotten(t *testing.T) {
	for _, kind := range localities {
		_, servers := newPool(kind, 1, 1)
		p := publish(new(atomic.Pointer[sched.Pool]), kind, servers)
		begin := ^uint32(minute) // the clock turns over
		first := pickTo(p, 1, begin)
		for now := begin; now-begin < day; now += 7 * minute {
			if vip, _ := p.Pick(to(2, now)); vip < 0 {
				t.Fatal("no pick")
			}
		}
		if i, _ := p.Peek(to(1, begin+day-1)); i != first {
			t.Errorf("%v: forgotten before a day", kind)
		}
		for servers[1-first].Load.Total() > 0 {
			servers[1-first].Load.End(false)
		}
		if i, _ := p.Peek(to(1, begin+day+30*minute)); i == first {
			t.Errorf("%v: not forgotten after a day and a half hour", kind)
		}
	}
}

// lblcr's set grows while its members are crowded, and its most loaded member leaves after a day
// without a change.
func TestReplication(t *testing.T) {
	_, servers := newPool(sched.LBLCR, 2, 2)
	p := publish(new(atomic.Pointer[sched.Pool]), sched.LBLCR, servers)
	first := pickTo(p, 1, 0)
	other := 1 - first
	for range 3 {
		servers[first].Load.Begin()
		servers[first].Load.Activate()
	}
	if i := pickTo(p, 1, 1); i != other {
		t.Fatalf("picked %d, want the idle one", i)
	}
	// Both are members now: the one with less load is picked, without being crowded.
	for range 3 {
		servers[first].Load.End(true)
	}
	for servers[first].Load.Total() > 0 {
		servers[first].Load.End(false)
	}
	if i, _ := p.Peek(to(1, 2)); i != first {
		t.Errorf("picked %d of the set, want the lighter one", i)
	}
	p.Pick(to(1, 12*60*minute))
	p.Pick(to(1, day+2)) // the most loaded leaves
	for range 3 {
		servers[first].Load.Begin()
	}
	if i, _ := p.Peek(to(1, day+3)); i != first {
		t.Errorf("picked %d, want the only member left", i)
	}
}

// A real server that is removed and comes back is the destination's again, if it was not replaced.
func TestRemovedMember(t *testing.T) {
	for _, kind := range localities {
		_, servers := newPool(kind, 1, 1, 1)
		var at atomic.Pointer[sched.Pool]
		p := publish(&at, kind, servers)
		if i := pickTo(p, 1, 0); i != 2 {
			t.Fatalf("picked %d first", i)
		}
		p = publish(&at, kind, append([]sched.Server(nil), servers[:2]...))
		if i, _ := p.Peek(to(1, 1)); i != 1 {
			t.Errorf("%v: picked %d without the removed one", kind, i)
		}
		p = publish(&at, kind, servers)
		if i, _ := p.Peek(to(1, 2)); i != 2 {
			t.Errorf("%v: picked %d, want the one that came back", kind, i)
		}
	}
}

// IPv4 and IPv6 VIPs that hash alike are different destinations.
func TestDestinationsOfBothFamilies(t *testing.T) {
	p, _ := newPool(sched.LBLC, 1, 1)
	four := pickTo(p, 1, 0)
	r := to(1, 0)
	r.Dst = packet.AddrOf(netip.MustParseAddr("b00:1::"))
	if six, _ := p.Pick(r); six == four {
		t.Errorf("both go to %d", six)
	}
}
