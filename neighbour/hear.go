package neighbour

import "fulcrum/packet"

// Message is what a station says of its address: which MAC it has. An ARP reply to the director is
// solicited; all ARP overrides. Solicitations with a source link-layer address override, and are
// not solicited.
type Message struct {
	Address   packet.Addr
	Port      uint16     // number of the port
	MAC       packet.MAC // zero if the message does not give it
	From      packet.MAC // Ethernet source
	Solicited bool       // it answers a question
	Override  bool       // it replaces another MAC
}

// Learn takes a message that another worker received. It returns the entry whose MAC has become
// known, or 0, and a question: the caller sends the packets that Take returns, and the question.
// now is in ms.
func (t *Table) Learn(m Message, now uint32) (learnt Hop, ask Question) {
	h, known := t.index[key{m.Address, m.Port}]
	if !known {
		return 0, Question{}
	}
	return t.hear(h, &m, false, now)
}

// hear takes a message about an entry, by the rules of RFC 4861, 7.2.3 and 7.2.5. They differ for
// an entry whose MAC has answered a question: a message with another MAC is a claim, which is
// examined before it counts. heard says that this worker has received the message.
func (t *Table) hear(h Hop, m *Message, heard bool, now uint32) (learnt Hop, ask Question) {
	e, r := &t.entries[h], &t.records[h]
	switch {
	case e.state == Static:
		return 0, Question{}
	case m.MAC.IsZero():
		return t.hearWithout(h, m, now), Question{}
	case !e.HasMAC():
		return t.accept(h, m, now), Question{}
	case m.MAC == e.MAC():
		if !m.Solicited {
			return 0, Question{}
		}
		return t.accept(h, m, now), Question{}
	case !m.Override:
		if e.state == Reachable {
			e.state = Stale
		}
		return 0, Question{}
	case r.proven && !r.returns(m, now):
		return 0, t.claim(h, m, heard, now)
	}
	return t.accept(h, m, now), Question{}
}

// hearWithout takes an advertisement without MAC. It confirms the MAC that is known, unless that is
// in dispute and the message came from another one.
func (t *Table) hearWithout(h Hop, m *Message, now uint32) Hop {
	e, r := &t.entries[h], &t.records[h]
	if !m.Solicited || !e.HasMAC() || m.From != e.MAC() && (r.doubted || r.onTrial) {
		return 0
	}
	own := *m
	own.MAC = e.MAC()
	return t.accept(h, &own, now)
}

// accept takes the MAC of a message: an answer proves it.
func (t *Table) accept(h Hop, m *Message, now uint32) Hop {
	e, r := &t.entries[h], &t.records[h]
	if !e.HasMAC() || m.MAC != e.MAC() || m.Solicited != r.proven {
		t.changes++
	}
	t.succeed(h, m.MAC, now)
	state := Stale
	if m.Solicited {
		t.vindicate(h, now)
		t.endTrial(h, now)
		state = Reachable
	}
	r.proven, r.hint = m.Solicited, false
	e.set(state, m.MAC, t.ports[e.Port].MAC, now)
	t.renewals++
	t.settle(h)
	return h
}
