package sched_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/sched"
)

// hashing returns a service whose real servers are 10.1.0.11:80 and so on, or fd00::b and so on.
func hashing(rule sched.Rule, six bool, weights ...int) (*sched.Pool, []sched.Server) {
	vip, address := netip.MustParseAddr("10.0.0.100"), netip.MustParseAddr("10.1.0.11")
	if six {
		vip, address = netip.MustParseAddr("fd00::100"), netip.MustParseAddr("fd00::b")
	}
	servers := idle(weights...)
	for i := range servers {
		servers[i].Hashed = sched.HashedOf(packet.AddrOf(vip), packet.AddrOf(address), 80)
		address = address.Next()
	}
	return publishRule(new(atomic.Pointer[sched.Pool]), rule, servers), servers
}

// from is the first packet of a client, given by its number.
func from(net string, client int) sched.Request {
	a := netip.MustParseAddr(net).As16()
	a[14], a[15] = a[14]+byte(client>>8), byte(client)
	return firstOf(packet.AddrOf(netip.AddrFrom16(a).Unmap()), request.Dst)
}

// The sequences come from a C program that builds the tables as the kernel's sources describe it.
func TestHashedPicks(t *testing.T) {
	const four, six = "192.168.1.0", "2001:db8::"
	tests := []struct {
		rule   sched.Rule
		client string
		want   string // of the clients 1 to 24
	}{
		{sched.Rule{Kind: sched.SH}, four, "BCBCBACACCCCCCBCBCBBCBCB"},
		{sched.Rule{Kind: sched.SH, Flags: lvs.SchedPort}, four, "CBCBABACACCCCCCBCBCCBCBA"},
		{sched.Rule{Kind: sched.SH}, six, "BBCBCBACCCBCBCBCBCCACACB"},
		{sched.Rule{Kind: sched.MH}, four, "CCACCCBBBCCCCAACCAACACCB"},
		{sched.Rule{Kind: sched.MH, Flags: lvs.SchedPort}, four, "BCBAACCCBBCBBBCBCCCBBBCC"},
		{sched.Rule{Kind: sched.MH}, six, "BBCACCCBACCABBCBCBCCCBBA"},
	}
	for _, tt := range tests {
		p, _ := hashing(tt.rule, tt.client == six, 1, 2, 3)
		var got strings.Builder
		for client := range len(tt.want) {
			i, _ := p.Pick(from(tt.client, client+1))
			got.WriteByte("ABC"[i])
		}
		if got.String() != tt.want {
			t.Errorf("%+v of %s: %s, want %s", tt.rule, tt.client, &got, tt.want)
		}
	}
}

func TestDestinationHash(t *testing.T) {
	p, _ := hashing(sched.Rule{Kind: sched.DH}, false, 1, 2, 3)
	const want = "CABACBCACBCBCCABABBCACAC"
	for i := range len(want) {
		r := firstOf(request.Src, packet.AddrOf4(0x0a000001+uint32(i)))
		if got, _ := p.Pick(r); "ABC"[got] != want[i] {
			t.Errorf("VIP %v: %c, want %c", r.Dst, "ABC"[got], want[i])
		}
	}
}

// An echo request has an identifier where others have a port: it is not hashed.
func TestEchoHasNoPort(t *testing.T) {
	for _, kind := range []sched.Kind{sched.SH, sched.MH} {
		with, _ := hashing(sched.Rule{Kind: kind, Flags: lvs.SchedPort}, false, 1, 1, 1, 1, 1)
		without, _ := hashing(sched.Rule{Kind: kind}, false, 1, 1, 1, 1, 1)
		for client := range 50 {
			r := from("192.168.1.0", client)
			r.Protocol = packet.ProtocolICMP
			got, _ := with.Pick(r)
			if want, _ := without.Pick(r); got != want {
				t.Errorf("%v: client %d goes to %d, want %d", kind, client, got, want)
			}
		}
	}
}

// placement returns where 4096 clients go; -1 is nowhere.
func placement(p *sched.Pool) (places []int) {
	for client := range 4096 {
		i, _ := p.Pick(from("10.9.0.0", client))
		places = append(places, i)
	}
	return places
}

// Weight 0 moves nobody but the clients of the drained one, who have another with the fallback and
// none without. An upper threshold that is reached does the same.
func TestDrainMovesNoOtherClient(t *testing.T) {
	for _, flags := range []lvs.SchedulerFlags{0, lvs.SchedFallback} {
		rule := sched.Rule{Kind: sched.MH, Flags: flags}
		before, servers := hashing(rule, false, 3, 2, 4, 1)
		was := placement(before)
		drained := append([]sched.Server(nil), servers...)
		drained[2].Weight = 0
		var at atomic.Pointer[sched.Pool]
		at.Store(before)
		now := placement(publishRule(&at, rule, drained))
		for client := range was {
			moved := now[client] != was[client]
			left := now[client] == -1
			if moved != (was[client] == 2) || left != (moved && flags == 0) {
				t.Fatalf("flags %v: client %d went to %d and goes to %d", flags, client, was[client],
					now[client])
			}
		}
	}
}

// When one of ten real servers leaves, its clients move, and few others: the paper (figure 12)
// finds one in a hundred for a table of this size; here one in twenty may.
func TestMaglevMovesFewClients(t *testing.T) {
	weights := []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
	rule := sched.Rule{Kind: sched.MH}
	all, servers := hashing(rule, false, weights...)
	was := placement(all)
	for gone := range servers {
		left := append(append([]sched.Server(nil), servers[:gone]...), servers[gone+1:]...)
		now := placement(publishRule(new(atomic.Pointer[sched.Pool]), rule, left))
		others := 0
		for client := range was {
			if was[client] != gone && left[now[client]].ID != servers[was[client]].ID {
				others++
			}
		}
		if others > len(was)/20 {
			t.Errorf("without %d, %d of %d other clients move", gone, others, len(was))
		}
	}
}

// Clients are spread by weight: within a quarter of each one's share with some hundred clients.
func TestHashedShares(t *testing.T) {
	for _, kind := range []sched.Kind{sched.SH, sched.MH} {
		p, servers := hashing(sched.Rule{Kind: kind}, false, 1, 2, 3, 4)
		got := make([]int, len(servers))
		for _, i := range placement(p) {
			got[i]++
		}
		for i, n := range got {
			if want := 4096 * (i + 1) / 10; n < want*3/4 || n > want*5/4 {
				t.Errorf("%v: real server %d got %d of 4096 clients, its share is %d", kind, i, n, want)
			}
		}
	}
}

// A great weight does not take the whole table in its first turn: only 6 bits of it count.
func TestMaglevWithGreatWeights(t *testing.T) {
	p, servers := hashing(sched.Rule{Kind: sched.MH}, false, 65535, 1, 0, 32768)
	got := make([]int, len(servers))
	for _, i := range placement(p) {
		got[i]++
	}
	if got[0] == 0 || got[1] == 0 || got[2] != 0 || got[3] == 0 {
		t.Errorf("clients: %v", got)
	}
}

// More real servers than slots: those beyond the table get nothing, and config refuses them.
func TestMaglevBeyondItsTable(t *testing.T) {
	weights := make([]int, lvs.MaglevSlots+10)
	for i := range weights {
		weights[i] = 1
	}
	p, _ := hashing(sched.Rule{Kind: sched.MH}, false, weights...)
	for _, i := range placement(p) {
		if i < 0 || i >= lvs.MaglevSlots {
			t.Fatalf("picked %d", i)
		}
	}
}

// BenchmarkMaglev builds a pool: what one change of a weight costs control.
func BenchmarkMaglev(b *testing.B) {
	for _, n := range []int{3, 100, 4000} {
		b.Run(fmt.Sprintf("servers=%d", n), func(b *testing.B) {
			weights := make([]int, n)
			for i := range weights {
				weights[i] = 1 + i%10
			}
			rule := sched.Rule{Kind: sched.MH}
			before, servers := hashing(rule, false, weights...)
			for b.Loop() {
				sched.NewPool(rule, servers, before)
			}
		})
	}
}
