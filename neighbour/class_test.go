package neighbour

import (
	"testing"

	"fulcrum/packet"
	"fulcrum/ports"
)

// asks has a stranger ask for the director.
func (w *world) asks(i uint32) {
	w.table.ReceiveARP(arpFrom(packet.ARPRequest, 0x0a010000+i),
		Here{Answered: true, Stranger: true, OnSubnet: true}, w.now)
}

// answersOf has a stranger answer a question.
func (w *world) answersOf(i uint32) {
	w.table.ReceiveARP(arpFrom(packet.ARPReply, 0x0a010000+i),
		Here{Answered: true, Stranger: true, OnSubnet: true}, w.now)
}

func (w *world) knows(i uint32) bool {
	_, known := w.table.Lookup(packet.AddrOf4(0x0a010000+i), 0)
	return known
}

// TestStrangersAreBounded: those that nothing is proven of make the oldest of their class give way.
// Those that packets go to come last, and those that have answered stay.
func TestStrangersAreBounded(t *testing.T) {
	w := newWorld(t, 0, "10.0.0.1/8")
	w.find(packet.AddrOf4(0x0a010000), 0)
	w.answersOf(0)
	w.asks(1)
	used, _ := w.table.Lookup(packet.AddrOf4(0x0a010001), 0)
	w.table.At(used).Used = true
	for i := range uint32(100_000) {
		w.asks(2 + i)
	}
	if n := w.table.Len(); n != limits[unproven]+1 || !w.knows(0) || !w.knows(1) || w.knows(2) {
		t.Fatalf("%d entries are left; of the first three %t, %t, %t", n, w.knows(0), w.knows(1),
			w.knows(2))
	}
	w.check()
	for i := range uint32(70_000) {
		w.find(packet.AddrOf4(0x0b000000+i), 0)
	}
	w.check()
	want := limits[unproven] + limits[incomplete] + 1
	if n := w.table.Len(); n != want || !w.knows(0) || !w.knows(1) {
		t.Fatalf("%d entries are left, want %d; of the first two %t, %t", n, want, w.knows(0),
			w.knows(1))
	}
	w.pass(20_000) // many fail
	w.check()
}

// TestProvenStrangersFillTheTable: they keep other strangers out, unless nothing goes to them any
// more, and never what the configuration needs.
func TestProvenStrangersFillTheTable(t *testing.T) {
	w := newWorld(t, 0, "10.0.0.1/8")
	for i := range uint32(MaxEntries) {
		h := w.find(packet.AddrOf4(0x0a010000+i), 0)
		w.answersOf(i)
		w.table.At(h).Used = i > 0
	}
	newcomer := packet.AddrOf4(0x0c000000)
	if _, ok := w.table.Find(newcomer, 0, w.now); ok {
		t.Fatal("a place of a proven neighbour was given to a stranger")
	}
	w.want(packet.AddrOf4(0x0c000001), 0)
	w.topology([]Gateway{{Address: packet.AddrOf4(0x0c000002)}}, nil)
	w.check()
	w.now += ReachableTime
	found := false
	for range 4 { // the idle one is looked for, one by one
		w.table.At(w.table.lists[proven].head).Used = false
		_, ok := w.table.Find(newcomer, 0, w.now)
		found = found || ok
	}
	if !found {
		t.Fatal("an idle neighbour did not give way")
	}
	w.check()
}

// TestOldestGivesWayToTheConfiguration: in a full table, in the order of the classes.
func TestOldestGivesWayToTheConfiguration(t *testing.T) {
	w := newWorld(t, 0, "10.0.0.1/8")
	for i := range uint32(MaxEntries - 3) {
		h, _ := w.table.FindKept(packet.AddrOf4(0x0b000000+i), 0, w.now)
		w.table.Want(h, packet.Addr{}, w.now)
	}
	lost := w.find(packet.AddrOf4(0x0a010000), 0)
	w.table.entries[lost].state = Failed
	w.table.settle(lost)
	w.asks(1)
	w.find(packet.AddrOf4(0x0a010002), 0)
	for i := range uint32(3) {
		w.want(packet.AddrOf4(0x0c000000+i), 0)
		if w.knows(i) || i < 2 && !w.knows(i+1) {
			t.Fatalf("after %d: %t, %t, %t", i+1, w.knows(0), w.knows(1), w.knows(2))
		}
		w.check()
	}
}

// TestQueuesOfTheConfiguration: strangers do not take them.
func TestQueuesOfTheConfiguration(t *testing.T) {
	w := newWorld(t, 0, "10.0.0.1/8")
	for i := range uint32(40) {
		w.packet(w.find(packet.AddrOf4(0x0a010000+i), 0), i)
	}
	if w.table.Held() != StrangerQueues {
		t.Fatalf("%d packets of strangers wait, want %d", w.table.Held(), StrangerQueues)
	}
	for i := range uint32(MaxQueues - StrangerQueues) {
		h := w.want(packet.AddrOf4(0x0b000000+i), 0)
		if wait, _ := w.table.Hold(h, &ports.Packet{}, w.now); wait != Held {
			t.Fatalf("packet %d to a real server does not wait", i)
		}
		w.held++
	}
	w.check()
}

// TestStrangerWithoutQueueIsAsked: its next packet finds the answer.
func TestStrangerWithoutQueueIsAsked(t *testing.T) {
	w := newWorld(t, 0, "10.0.0.1/8")
	for i := range uint32(StrangerQueues) {
		w.packet(w.find(packet.AddrOf4(0x0a010000+i), 0), i)
	}
	h := w.find(packet.AddrOf4(0x0b000000), 0)
	wait, q := w.table.Hold(h, &ports.Packet{}, w.now)
	if wait != QueueFull || q.Hop != h {
		t.Errorf("%v, asks %v", wait, q)
	}
	asked := 0
	for i := range uint32(2000) {
		_, q := w.table.Hold(w.find(packet.AddrOf4(0x0b000001+i), 0), &ports.Packet{}, w.now)
		if q.Hop != 0 {
			asked++
		}
	}
	if most := firstQuestions - StrangerQueues - 1; asked != most {
		t.Errorf("%d questions about strangers before the next tick, want %d", asked, most)
	}
}

// TestFailedStrangerWaitsForNoAnswer: no packet waits for a station that is not being asked for.
func TestFailedStrangerWaitsForNoAnswer(t *testing.T) {
	w := newWorld(t, 0, "10.0.0.1/8")
	w.packet(w.find(packet.AddrOf4(0x0a010000), 0), 1)
	w.pass(4100)
	w.table.allowance.first = 0
	h := w.find(packet.AddrOf4(0x0a010000), 0)
	if wait, q := w.table.Hold(h, &ports.Packet{}, w.now); wait != Unreachable || q.Hop != 0 {
		t.Errorf("without a question left: %v, asks %v", wait, q)
	}
	w.pass(tickInterval)
	if wait, q := w.table.Hold(h, &ports.Packet{}, w.now); wait != Held || q.Hop != h {
		t.Errorf("after a tick: %v, asks %v", wait, q)
	}
	w.held++
	w.pass(4000)
	w.check()
	if w.table.Held() != 0 {
		t.Errorf("%d packets wait", w.table.Held())
	}
}
