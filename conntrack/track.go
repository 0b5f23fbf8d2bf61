package conntrack

// Transition is a change of state; From equals To when there was none.
type Transition struct {
	From, To State // before and after the packet
}

// Track updates a session after one packet: its LastSeen, and its state by a TCP or SCTP event e
// seen as v says. now is in ms. Sessions of other protocols get their single state once, with
// SetState, and keep it. A session of echo requests, whose ports are the identifier and 0, is in
// state ICMP.
func (t *Table) Track(slot uint32, v View, e Event, now uint32) Transition {
	s := &t.sessions[slot]
	s.LastSeen = now
	from := s.State
	to := Next(v, e, from)
	if to != from {
		s.State = to
		t.rearm(slot, s, now)
	}
	return Transition{from, to}
}

// SetState sets a session's state, whatever its packets say. now is in ms.
func (t *Table) SetState(slot uint32, to State, now uint32) Transition {
	s := &t.sessions[slot]
	from := s.State
	s.State = to
	t.rearm(slot, s, now)
	return Transition{from, to}
}
