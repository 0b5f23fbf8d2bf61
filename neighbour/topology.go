package neighbour

import "fulcrum/packet"

// WantLapse is the time in ms after the last Want until an entry is no longer kept for a real
// server. A worker that calls Want more often than that for each of its real servers' next hops
// keeps all of them.
const WantLapse = 60_000

// Gateway is the gateway of a route.
type Gateway struct {
	Address packet.Addr
	Source  packet.Addr // the port's own address towards it
	Port    uint16
}

// StaticEntry is a neighbour with a configured MAC.
type StaticEntry struct {
	Address packet.Addr
	MAC     packet.MAC
	Port    uint16
}

// SetTopology takes changed routes, ports, addresses or static neighbours. Entries that are no
// longer static are asked for like others. Gateways are kept, and asked for ahead of the first
// packet; no other entry stays a gateway. Strangers give way to them. Entries that do not fit a
// table that is full of such ones are left out. now is in ms.
func (t *Table) SetTopology(gateways []Gateway, statics []StaticEntry, now uint32) Work {
	t.begin()
	t.unbind(now)
	for _, s := range statics {
		t.setStatic(s, now)
	}
	for _, g := range gateways {
		if h, ok := t.FindKept(g.Address, g.Port, now); ok {
			t.entries[h].Gateway, t.entries[h].Source = true, g.Source
			t.addQuestion(t.askFirst(h, now))
		}
	}
	t.settleAll()
	return t.work
}

// settleAll lists every entry anew. Until then no entry of the last topology gives way.
func (t *Table) settleAll() {
	for h := range t.entries {
		if t.entries[h].state != Free {
			t.settle(Hop(h))
		}
	}
}

// unbind undoes the previous topology.
func (t *Table) unbind(now uint32) {
	for i := range t.entries {
		e := &t.entries[i]
		e.Gateway = false
		if e.state != Static {
			continue
		}
		e.state, e.tries, e.since = Incomplete, 0, now
		t.records[i].proven = false
		if t.worker == 0 {
			e.since -= Retry // it asks at the next tick
		}
	}
}

func (t *Table) setStatic(s StaticEntry, now uint32) {
	h, ok := t.FindKept(s.Address, s.Port, now)
	if !ok {
		return
	}
	t.unsay(h)
	t.entries[h].set(Static, s.MAC, t.ports[s.Port].MAC, now)
	t.records[h].dispute, t.records[h].hint = dispute{}, false
	t.work.Learnt = append(t.work.Learnt, h)
}

// Want says that a configured real server needs a next hop, from the port's own address source. The
// entry is asked for ahead of the first packet, kept fresh, and not forgotten until WantLapse after
// the last Want. The caller sends the question. now is in ms.
func (t *Table) Want(h Hop, source packet.Addr, now uint32) Question {
	e := &t.entries[h]
	first := !e.Pinned()
	e.wanted, e.wish, e.Source = true, now, source
	t.settle(h)
	if first || t.worker == 0 {
		return t.askFirst(h, now)
	}
	return Question{} // a repeated wish must not delay the question
}

// askFirst asks for a neighbour that will be needed. One worker does so for all; the others ask if
// they hear no answer in time.
func (t *Table) askFirst(h Hop, now uint32) Question {
	e := &t.entries[h]
	if e.state != Incomplete || e.tries != 0 {
		return Question{}
	}
	if t.worker != 0 {
		e.since = now
		return Question{}
	}
	return t.ask(h, now)
}
