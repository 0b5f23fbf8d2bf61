package neighbour

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"

	"fulcrum/packet"
	"fulcrum/ports"
)

// world is a table and its surroundings: a clock, and packets that are numbers. It writes down what
// the table wants done, and checks all invariants after each step.
type world struct {
	testing.TB
	table   Table
	subnets []netip.Prefix // by port, with the port's own address
	now     uint32         // ms
	log     strings.Builder
	sent    int // packets that came out of the table, sent or dropped
	held    int // packets that went in
	told    int // messages that the other workers need
	refused uint64
	statics map[key]packet.MAC

	hints   map[Hint]bool // that the table had to give at the last check
	changes uint32        // of the table at the last check
}

func newWorld(t testing.TB, worker int, subnets ...string) *world {
	w := &world{TB: t, now: 1_000_000, statics: map[key]packet.MAC{}}
	c := Config{Worker: worker}
	for i, s := range subnets {
		w.subnets = append(w.subnets, netip.MustParsePrefix(s))
		c.Ports = append(c.Ports, Port{MAC: ownMAC(i), MTU: 1500})
	}
	w.table = New(c)
	return w
}

// restart replaces the table by an empty one, and gives that what the former one knew. Packets that
// waited are gone.
func (w *world) restart() {
	former := w.table
	w.table = New(Config{Ports: former.ports, Worker: int(former.worker)})
	w.sent, w.held, w.refused, w.statics = 0, 0, 0, map[key]packet.MAC{}
	w.hints, w.changes = nil, 0
	for h := 1; h < former.Places(); h++ {
		if hint, ok := former.HintOf(Hop(h)); ok {
			w.table.TakeHint(&hint, w.now)
		}
	}
}

func ownMAC(port int) packet.MAC { return packet.MAC{2, 0, 0, 0, 0, byte(port)} }

func (w *world) note(format string, args ...any) {
	fmt.Fprintf(&w.log, "%7.1f  ", float64(w.now-1_000_000)/1000)
	fmt.Fprintf(&w.log, format+"\n", args...)
}

// here describes the director on a port: it has one address there and answers for no other.
func (w *world) here(port uint16, sender, target packet.Addr) Here {
	own := w.subnets[port]
	return Here{
		Port:     port,
		From:     packet.MAC{2, 0, 0, 0, 7, 7},
		Answered: target == packet.AddrOf(own.Addr()),
		Stranger: sender.IsUnicast() && sender != packet.AddrOf(own.Addr()),
		OnSubnet: own.Contains(sender.Netip()),
	}
}

func (w *world) source(port uint16) packet.Addr { return packet.AddrOf(w.subnets[port].Addr()) }

// find returns the hop of a stranger.
func (w *world) find(a packet.Addr, port uint16) Hop {
	h, ok := w.table.Find(a, port, w.now)
	if !ok {
		w.Fatal("the table is full")
	}
	return h
}

// want says that a real server needs a next hop, and asks for it.
func (w *world) want(a packet.Addr, port uint16) Hop {
	h, ok := w.table.FindKept(a, port, w.now)
	if !ok {
		w.Fatal("the table is full")
	}
	w.ask(w.table.Want(h, w.source(port), w.now))
	return h
}

func (w *world) ask(q Question) {
	if q.Hop == 0 {
		return
	}
	to := "all"
	if !q.To.IsZero() {
		to = q.To.String()
	}
	w.note("ask %s for %v", to, w.table.At(q.Hop).Address)
}

// release takes the packets that waited, and writes down what becomes of them.
func (w *world) release(h Hop, what string) {
	waited := w.table.Take(h)
	for i := range waited {
		w.sent++
		w.note("%s packet %d to %v", what, waited[i].Handovers, w.table.At(h).Address)
	}
}

func (w *world) learnt(h Hop) {
	if h != 0 {
		e := w.table.At(h)
		w.note("learnt %v at %v", e.Address, e.MAC())
		w.release(h, "send")
	}
}

func (w *world) carryOut(work Work) {
	for _, h := range work.Learnt {
		w.learnt(h)
	}
	for _, h := range work.Failed {
		w.note("%v does not answer", w.table.At(h).Address)
		w.release(h, "drop")
	}
	for _, q := range work.Ask {
		w.ask(q)
	}
}

// packet sends a packet to a next hop.
func (w *world) packet(h Hop, number uint32) {
	e := w.table.At(h)
	e.Used = true
	if e.HasMAC() {
		w.note("send packet %d to %v at %v", number, e.Address, e.MAC())
		return
	}
	result, q := w.table.Hold(h, &ports.Packet{Handovers: number}, w.now)
	switch result {
	case Held:
		w.held++
	case QueueFull:
		w.note("drop packet %d to %v: no place to wait", number, e.Address)
	case Unreachable:
		w.note("drop packet %d to %v: it did not answer", number, e.Address)
	}
	w.ask(q)
}

func (w *world) arp(port uint16, f packet.ARPFields) {
	a := packet.ARP(make([]byte, packet.ARPLen))
	a.Encode(f)
	here := w.here(port, packet.AddrOf4(f.SenderIP), packet.AddrOf4(f.TargetIP))
	r, answer := w.table.ReceiveARP(a, here, w.now)
	w.received(&r)
	if r.Answer {
		about := packet.AddrOf4(answer.SenderIP)
		w.note("answer %v: %v is at %v", answer.TargetMAC, about, answer.SenderMAC)
	}
}

func (w *world) nd(port uint16, n packet.ND) {
	r, answer := w.table.ReceiveND(&n, w.here(port, n.Sender(), n.Target), w.now)
	w.received(&r)
	if r.Answer {
		w.note("answer %v: %v is at %v", answer.Dst, answer.Target, answer.LinkLayer)
	}
}

func (w *world) received(r *Reception) {
	if r.Impossible {
		w.note("drop the message: no other station can have that MAC")
	}
	w.learnt(r.Learnt)
	w.ask(r.Ask)
	if refused, _ := w.table.Refusals(); refused < w.refused {
		w.Fatal("the number of refused claims went back")
	} else {
		w.refused = refused
	}
	if r.Tell {
		w.told++
	}
}

// news is a message that another worker has received.
func (w *world) news(m Message) {
	learnt, ask := w.table.Learn(m, w.now)
	w.learnt(learnt)
	w.ask(ask)
}

// pass lets time pass in steps of a tick.
func (w *world) pass(ms uint32) {
	for end := w.now + ms; w.now != end; {
		w.now += min(tickInterval, end-w.now)
		w.carryOut(w.table.Tick(w.now))
	}
}

// topology sets gateways and static neighbours.
func (w *world) topology(gateways []Gateway, statics []StaticEntry) {
	clear(w.statics)
	for _, s := range statics {
		w.statics[key{s.Address, s.Port}] = s.MAC
	}
	w.carryOut(w.table.SetTopology(gateways, statics, w.now))
}

// check checks the invariants.
func (w *world) check() {
	w.Helper()
	t := &w.table
	if len(t.entries) > MaxEntries+1 || len(t.index)+len(t.unused)+1 != len(t.entries) {
		w.Fatalf("%d places, %d known, %d unused", len(t.entries), len(t.index), len(t.unused))
	}
	inQueues := 0
	for i := range t.queues {
		inQueues += t.queues[i].N
	}
	if t.Held() != inQueues || t.Held() != w.held-w.sent {
		w.Fatalf("%d packets wait, the queues have %d; %d went in and %d came out",
			t.Held(), inQueues, w.held, w.sent)
	}
	w.checkLists()
	owners := map[uint8]Hop{}
	for i := range t.entries {
		w.checkEntry(Hop(i), owners)
	}
	w.checkHints()
	for k, mac := range w.statics {
		h, ok := t.Lookup(k.address, k.port)
		if e := t.At(h); !ok || e.State() != Static || e.MAC() != mac {
			w.Fatalf("static %v is %v at %v, want %v", k.address, e.State(), e.MAC(), mac)
		}
	}
}

// allHints returns what the table has to say to one that comes later.
func (w *world) allHints() map[Hint]bool {
	all := map[Hint]bool{}
	for h := 1; h < w.table.Places(); h++ {
		if hint, ok := w.table.HintOf(Hop(h)); ok {
			all[hint] = true
		}
	}
	return all
}

// checkHints checks that the table says when its hints have changed.
func (w *world) checkHints() {
	w.Helper()
	now := w.allHints()
	if !maps.Equal(w.hints, now) && w.changes == w.table.Changes() {
		w.Fatalf("%v became %v without a word", w.hints, now)
	}
	w.hints, w.changes = now, w.table.Changes()
}

// checkLists checks that every entry is in the list of its class, and that no list is too long.
func (w *world) checkLists() {
	w.Helper()
	t, listed := &w.table, 0
	for c := range numClasses {
		last := Hop(0)
		n := 0
		for h := t.lists[c].head; h != 0; h = t.records[h].next {
			if t.records[h].class != c || t.records[h].prev != last || t.classOf(h) != c {
				w.Fatalf("place %d is in list %d: %+v", h, c, t.records[h])
			}
			last = h
			n++
		}
		if t.lists[c].tail != last || t.lists[c].n != n || n > limits[c] {
			w.Fatalf("list %d has %d entries, of at most %d: %+v", c, n, limits[c], t.lists[c])
		}
		listed += n
	}
	if listed != len(t.index) {
		w.Fatalf("%d entries are in lists, and %d are known", listed, len(t.index))
	}
}

func (w *world) checkEntry(h Hop, owners map[uint8]Hop) {
	w.Helper()
	t, e := &w.table, w.table.At(h)
	if e.State() == Free {
		if e.Pinned() || e.queue != 0 || e.HasMAC() {
			w.Fatalf("place %d is free and not empty: %+v", h, *e)
		}
		return
	}
	if got, ok := t.Lookup(e.Address, e.Port); !ok || got != h {
		w.Fatalf("place %d is %v's, which the index has at %d", h, e.Address, got)
	}
	mac, own := e.MAC(), packet.MAC(e.MACs[6:12])
	if e.HasMAC() && (mac.IsZero() || mac.IsMulticast() || own != ownMAC(int(e.Port))) {
		w.Fatalf("%v has the MACs %x", e.Address, e.MACs)
	}
	if w.table.records[h].hint && e.State() != Stale {
		w.Fatalf("%v is a hint and %v", e.Address, e.State())
	}
	if e.Unreachable(w.now) && (e.queue != 0 || e.State() != Failed) {
		w.Fatalf("packets wait for %v, which does not answer", e.Address)
	}
	if e.queue == 0 {
		return
	}
	if other, taken := owners[e.queue]; taken || t.Waiting(h) == 0 || e.HasMAC() {
		w.Fatalf("%v has queue %d with %d packets, and so has place %d",
			e.Address, e.queue, t.Waiting(h), other)
	}
	owners[e.queue] = h
}
