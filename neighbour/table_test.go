package neighbour

import (
	"reflect"
	"testing"

	"fulcrum/packet"
	"fulcrum/ports"
)

// TestEntryIsACacheLine: every packet reads an entry, so an entry must fill one cache line.
func TestEntryIsACacheLine(t *testing.T) {
	if size := reflect.TypeFor[Entry]().Size(); size != 64 {
		t.Errorf("an entry has %d bytes, want 64", size)
	}
}

// TestTableIsBounded: a full table gives no further place, and gives a forgotten one out again.
func TestTableIsBounded(t *testing.T) {
	w := newWorld(t, 0, "10.0.0.1/8")
	for i := range uint32(MaxEntries) {
		w.find(packet.AddrOf4(0x0a010000+i), 0)
	}
	_, ok := w.table.Find(packet.AddrOf4(0x0b000000), 0, w.now)
	if ok || w.table.Len() != MaxEntries {
		t.Fatalf("%d entries, and one more: %v", w.table.Len(), ok)
	}
	if h := w.table.Learn(packet.AddrOf4(0x0b000000), 0, packet.MAC{2}, w.now); h != 0 {
		t.Fatalf("learnt at place %d of a full table", h)
	}
	w.check()
	w.table.forget(77)
	if h := w.find(packet.AddrOf4(0x0b000000), 0); h != 77 || w.table.At(h).Generation != 1 {
		t.Fatalf("place %d, generation %d", h, w.table.At(h).Generation)
	}
	w.check()
}

// TestTickIsBounded: Tick goes through a full table in pieces, and every entry gets its turn.
func TestTickIsBounded(t *testing.T) {
	const n = 3*tickChunk + 5
	w := newWorld(t, 0, "10.0.0.1/8")
	for i := range uint32(n) {
		w.find(packet.AddrOf4(0x0a010000+i), 0)
	}
	asked := map[Hop]bool{}
	for range 4 {
		w.now += tickInterval
		work := w.table.Tick(w.now)
		if len(work.Ask) > tickChunk {
			t.Fatalf("%d questions in a tick", len(work.Ask))
		}
		for _, q := range work.Ask {
			asked[q.Hop] = true
		}
	}
	if len(asked) != n {
		t.Errorf("%d of %d were asked for", len(asked), n)
	}
}

// TestNoAllocs: packets and time cause no allocation.
func TestNoAllocs(t *testing.T) {
	w := newWorld(t, 0, "10.0.0.1/24")
	for i := range uint32(100) {
		w.find(packet.AddrOf4(0x0a000064+i), 0)
	}
	h, p := w.find(packet.AddrOf4(0x0a000009), 0), new(ports.Packet)
	request, reply := arpFrom(packet.ARPRequest, 0x0a000009), arpFrom(packet.ARPReply, 0x0a000064)
	nd := packet.ND{Type: packet.ICMP6Solicitation, Target: packet.Addr{Hi: 1}}
	here := Here{Answered: true, Stranger: true, OnSubnet: true}
	allocs := testing.AllocsPerRun(1000, func() {
		w.now += tickInterval
		w.table.At(h).Used = true
		if !w.table.At(h).HasMAC() {
			w.table.Hold(h, p, w.now)
		}
		for _, failed := range w.table.Tick(w.now).Failed {
			w.table.Take(failed)
		}
		r, _ := w.table.ReceiveARP(request, here, w.now)
		w.table.Take(r.Learnt)
		r, _ = w.table.ReceiveARP(reply, here, w.now)
		w.table.Take(r.Learnt)
		w.table.ReceiveND(&nd, here, w.now)
		w.table.Want(h, packet.Addr{}, w.now)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// arpFrom returns an ARP packet to 10.0.0.1.
func arpFrom(op packet.ARPOp, sender uint32) packet.ARP {
	a := packet.ARP(make([]byte, packet.ARPLen))
	mac := packet.MAC{2, 0, 0, 0, 1, 9}
	a.Encode(packet.ARPFields{Op: op, SenderMAC: mac, SenderIP: sender, TargetIP: 0x0a000001})
	return a
}

func TestStatesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for s := range State(len(states)) {
		if s.String() == "" || s.Meaning() == "" || seen[s.String()] {
			t.Errorf("state %d: %q, %q", s, s, s.Meaning())
		}
		seen[s.String()] = true
	}
}
