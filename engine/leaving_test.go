package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
)

// claimer gives a UDP service with three real servers a mode and matches.
func claimer(m modes.Mode, texts ...string) Service {
	v := twoArm.claiming(twoArm.echo(m, 3), texts...)
	v.Name = fmt.Sprintf("%v %s", m, texts[0])
	return v
}

// Sessions go on when what they came by moves to a service of the other rule, or of the same.
func TestSessionsOfMovedMatchesGoOn(t *testing.T) {
	const vip, other = "10.0.0.97:8001", "10.0.0.98:8001"
	single, narrow, wide := "udp "+vip, "udp 10.0.0.96/31:8000-8100", "udp 10.0.0.96/29:*"
	spare := []string{"udp 10.0.0.120:7", "udp 10.0.0.121:7"}
	for _, from := range []modes.Mode{modes.DR, modes.NAT, modes.IPIP} {
		for _, to := range []modes.Mode{modes.DR, modes.NAT, modes.IPIP} {
			for name, moves := range map[string][2][]Service{
				"a single match moves": {
					{claimer(from, spare[0], single), claimer(to, spare[1])},
					{claimer(from, spare[0]), claimer(to, spare[1], single)},
				},
				"a range moves": {
					{claimer(from, spare[0], narrow), claimer(to, spare[1])},
					{claimer(from, spare[0]), claimer(to, spare[1], narrow)},
				},
				"a range falls to a wider one": {
					{claimer(from, spare[0], narrow), claimer(to, wide)},
					{claimer(from, spare[0]), claimer(to, wide)},
				},
				"a single match falls to a range": {
					{claimer(from, spare[0], single), claimer(to, wide)},
					{claimer(from, spare[0]), claimer(to, wide)},
				},
				"a range takes from no one": {
					{claimer(from, spare[0], narrow)},
					{claimer(from, spare[0]), claimer(to, "udp 10.0.0.96/29:*")},
				},
				"a match is given up": {
					{claimer(from, spare[0], narrow), claimer(to, "udp 10.0.0.97:9")},
					{claimer(from, spare[0]), claimer(to, "udp 10.0.0.97:9")},
				},
				"a match is given up, and its address": {
					{claimer(from, spare[0], single)}, {claimer(from, spare[0])},
				},
				"a range takes from a wider one": {
					{claimer(to, spare[0]), claimer(from, wide)},
					{claimer(to, spare[0], narrow), claimer(from, wide)},
				},
				"matches are exchanged": {
					{claimer(from, spare[0], narrow), claimer(to, spare[1], "udp "+other)},
					{claimer(from, spare[0], "udp "+other), claimer(to, spare[1], narrow)},
				},
				"a range has another service at its first address": {
					{claimer(from, spare[0], narrow), claimer(to, "udp 10.0.0.96:*"), claimer(to, wide)},
					{claimer(from, spare[0]), claimer(to, "udp 10.0.0.96:*"), claimer(to, wide)},
				},
			} {
				t.Run(fmt.Sprintf("%v to %v: %s", from, to, name), func(t *testing.T) {
					b := newBed(t, twoArm, twoArm.serving(moves[0]...), func(c *bedConfig) { c.workers = 3 })
					all := b.talks(from, vip, 0, 12)
					b.goOn(all, "before")
					b.apply(twoArm.serving(moves[1]...))
					b.goOn(all, "after")
					b.keep()
					b.goOn(all, "after a census")
				})
			}
		}
	}
}

// A match that two services gave up is remembered until neither has sessions.
func TestLeftByTwoServices(t *testing.T) {
	for _, m := range []string{"udp 10.0.0.97:8001", "udp 10.0.0.96/29:*"} {
		nat, dr := claimer(modes.NAT, "udp 10.0.0.120:7"), claimer(modes.DR, "udp 10.0.0.121:7")
		natHas, drHas := claimer(modes.NAT, "udp 10.0.0.120:7", m), claimer(modes.DR, "udp 10.0.0.121:7", m)
		b := newBed(t, twoArm, twoArm.serving(drHas, nat), func(c *bedConfig) { c.workers = 3 })
		all := b.talks(modes.DR, "10.0.0.97:8001", 0, 12)
		b.apply(twoArm.serving(dr, natHas))
		b.apply(twoArm.serving(dr, nat))
		if err := b.engine.applyAt(twoArm.serving(dr, nat), time.Now().Add(2*forgetAfter)); err != nil {
			t.Fatal(err)
		}
		k := packet.Key{Protocol: uint8(lvs.UDP)}
		k.Dst, k.DstPort = packet.AddrOf(netip.MustParseAddr("10.0.0.97")), 8001
		if owner, ok := b.engine.snap.Load().leavingAt(&k); !ok || owner != lvs.Receiver {
			t.Errorf("%s: owner %v, known %t", m, owner, ok)
		}
		b.goOn(all, "after all")
	}
}

// A service that is never removed does not remember for ever what it gave up.
func TestLeftIsForgotten(t *testing.T) {
	b := newBed(t, twoArm, twoArm.serving())
	now := time.Now()
	for i := range 50 {
		n := claimer(modes.NAT, "udp 10.0.0.120:7", fmt.Sprintf("udp 10.0.0.97:%d", 1000+i),
			fmt.Sprintf("udp 10.0.0.96/29:%d", 2000+i))
		if err := b.engine.applyAt(twoArm.serving(n), now); err != nil {
			t.Fatal(err)
		}
	}
	last := twoArm.serving(claimer(modes.NAT, "udp 10.0.0.120:7"))
	live := b.engine.registry.services[last.Services[0].ID()]
	if len(live.left) != 98 || b.engine.snap.Load().leaving.used != 49 {
		t.Errorf("%d matches are left", len(live.left))
	}
	for _, at := range []time.Time{now, now.Add(forgetAfter), now.Add(2 * forgetAfter)} {
		if err := b.engine.applyAt(last, at); err != nil {
			t.Fatal(err)
		}
	}
	r, n := b.engine.registry, b.engine.snap.Load()
	if len(live.left)+len(r.left)+len(r.leaving)+len(r.ranged)+n.leaving.used > 0 || n.ranges != nil {
		t.Errorf("%d matches are left, %v, %v, %v", len(live.left), r.left, r.leaving, n.ranges)
	}
}

// What a service gives up at most is bounded, also while it has sessions.
func TestLeftIsBounded(t *testing.T) {
	b := newBed(t, twoArm, twoArm.serving(claimer(modes.NAT, "udp 10.0.0.120:7")))
	b.talks(modes.NAT, "10.0.0.120:7", 0, 1)
	texts := []string{"udp 10.0.0.120:7"}
	for i := range mostLeft + 5 {
		texts = append(texts, fmt.Sprintf("udp 10.0.%d.%d:9", 64+i>>8, i&255))
	}
	b.apply(twoArm.serving(claimer(modes.NAT, texts...)))
	b.apply(twoArm.serving(claimer(modes.NAT, texts[0])))
	if n := b.engine.snap.Load().leaving.used; n != mostLeft {
		t.Errorf("%d matches are left", n)
	}
}

// A service that gives up a VIP does not answer for it any more.
func TestVIPGivenUpHasNoEchoes(t *testing.T) {
	for _, echo := range []bool{true, false} {
		more := claimer(modes.DR, "udp 10.0.0.120:7", "udp 10.0.0.121:7")
		less := claimer(modes.DR, "udp 10.0.0.120:7")
		more.Echo, less.Echo = echo, echo
		other := claimer(modes.DR, "udp 10.0.0.121:9")
		b := newBed(t, twoArm, twoArm.serving(more, other))
		b.apply(twoArm.serving(less, other))
		n, vip := b.engine.snap.Load(), addressKey(packet.AddrOf(netip.MustParseAddr("10.0.0.121")))
		group, _ := n.echoing.get(vip)
		if _, passes := n.passing.get(vip); passes || len(group.services) != 1 {
			t.Errorf("echo %t: passed %t, answered by %d services", echo, passes, len(group.services))
		}
	}
}
