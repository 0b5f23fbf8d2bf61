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

// TestTableIsBounded: a table full of what the configuration needs gives no further place, and
// gives a forgotten one out again.
func TestTableIsBounded(t *testing.T) {
	w := newWorld(t, 0, "10.0.0.1/8")
	for i := range uint32(MaxEntries) {
		h, _ := w.table.FindKept(packet.AddrOf4(0x0a010000+i), 0, w.now)
		w.table.Want(h, packet.Addr{}, w.now)
	}
	more := packet.AddrOf4(0x0b000000)
	_, stranger := w.table.Find(more, 0, w.now)
	_, needed := w.table.FindKept(more, 0, w.now)
	if stranger || needed || w.table.Len() != MaxEntries {
		t.Fatalf("%d entries, and one more: %t, %t", w.table.Len(), stranger, needed)
	}
	w.check()
	w.table.forget(77)
	if h := w.find(more, 0); h != 77 || w.table.At(h).Generation != 1 {
		t.Fatalf("place %d, generation %d", h, w.table.At(h).Generation)
	}
	w.check()
}

// TestTickIsBounded: Tick goes through many entries in pieces, and every one gets its turn. Those
// of the configuration do not wait for strangers, which cause a bounded number of questions.
func TestTickIsBounded(t *testing.T) {
	const n = 3*tickChunk + 5
	w := newWorld(t, 0, "10.0.0.1/8")
	for i := range uint32(n) {
		w.find(packet.AddrOf4(0x0a010000+i), 0)
		h, _ := w.table.FindKept(packet.AddrOf4(0x0a020000+i), 0, w.now)
		w.table.entries[h].Gateway = true // none has asked for it so far
		w.table.settle(h)
	}
	askedKept, askedStrangers := map[Hop]bool{}, map[Hop]bool{}
	for range 4 {
		w.now += tickInterval
		strangers := 0
		work := w.table.Tick(w.now)
		for _, q := range work.Ask {
			if w.table.At(q.Hop).Gateway {
				askedKept[q.Hop] = true
			} else {
				askedStrangers[q.Hop] = true
				strangers++
			}
		}
		if len(work.Ask) > tickChunk+furtherQuestions || strangers > furtherQuestions {
			t.Fatalf("%d questions in a tick, %d of them about strangers", len(work.Ask), strangers)
		}
	}
	if len(askedKept) != n || len(askedStrangers) != 4*furtherQuestions {
		t.Errorf("%d of %d were asked for, and %d strangers", len(askedKept), n, len(askedStrangers))
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
		w.table.Learn(Message{Address: packet.AddrOf4(0x0a000009), MAC: packet.MAC{2, 9}}, w.now)
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
