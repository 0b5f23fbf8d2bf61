package conntrack

// Transition is a change of state; From equals To when there was none.
type Transition struct {
	From, To State
}

// Track brings a session's state up to date with one packet: a TCP segment or SCTP packet with the event e, seen as v says.
// Sessions of other protocols are given their single state once, with SetState, and keep it. A session of echo requests, whose
// ports are the identifier and 0, is one of ICMP.
func (t *Table) Track(slot uint32, v View, e Event, now uint32) Transition {
	s := &t.sessions[slot]
	s.LastSeen = now
	from := s.State
	to := Next(v, e, from)
	if to != from {
		t.setState(slot, to, now)
	}
	return Transition{from, to}
}

// SetState puts a session into a state whatever its packets say.
func (t *Table) SetState(slot uint32, to State, now uint32) Transition {
	from := t.sessions[slot].State
	t.setState(slot, to, now)
	return Transition{from, to}
}

func (t *Table) setState(slot uint32, to State, now uint32) {
	s := &t.sessions[slot]
	s.State = to
	if to.HalfOpen() && s.Flags&queued == 0 {
		s.Flags |= queued
		t.slabOf(slot).halfOpen.push(slot)
	}
	t.rearm(slot, now)
}
