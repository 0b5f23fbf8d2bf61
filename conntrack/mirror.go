package conntrack

import "golang.org/x/sys/unix"

// A Mirror shows the sessions of a file that another process may still change: a director that its
// successor is about to take over from.
type Mirror struct {
	file    []byte // the mapping
	records []Session
	lines   []Addresses6
	four    int // how many of the records are of IPv4
}

// Len returns the number of places for sessions.
func (m *Mirror) Len() int { return len(m.records) }

// Live reports whether a place has a session.
func (m *Mirror) Live(place int) bool { return m.records[place].Live() }

// Server returns the real server id of the session in a place, as the other process has it.
func (m *Mirror) Server(place int) uint32 { return m.records[place].Server }

// Read copies the session in a place. It returns false if there is none, or a broken one.
func (m *Mirror) Read(place int, s *KeptSession) bool {
	s.Session, s.Place = m.records[place], place
	six := place >= m.four
	if six {
		s.Addresses = m.lines[place-m.four]
	}
	return s.Live() && s.whole(six)
}

// Close unmaps the file.
func (m *Mirror) Close() error {
	file := m.file
	m.file, m.records, m.lines = nil, nil, nil
	return unix.Munmap(file)
}

// Follow has the session in a slot, which Restore has entered, go on as the one in a place does. It
// returns false and does nothing if that is another session. now is in ms.
func (t *Table) Follow(slot uint32, m *Mirror, place int, now uint32) bool {
	to, from := &t.sessions[slot], &m.records[place]
	if !to.isThat(from) || t.Is6(slot) && t.addresses[slot-t.six.first] != m.lines[place-m.four] {
		return false
	}
	if to.LastSeen == from.LastSeen && to.State == from.State &&
		to.PacketsIn == from.PacketsIn && to.PacketsOut == from.PacketsOut {
		return true
	}
	to.State, to.LastSeen, to.SeqDelta = from.State, from.LastSeen, from.SeqDelta
	to.PacketsIn, to.PacketsOut = from.PacketsIn, from.PacketsOut
	t.arm(slot, now)
	return true
}

// isThat reports whether a whole record is of the same session.
func (s *Session) isThat(o *Session) bool {
	const fixed = live | TwoWay | In6 | Out6
	return s.In == o.In && s.Out == o.Out && s.Protocol == o.Protocol && s.Mode == o.Mode &&
		s.Flags&fixed == o.Flags&fixed && o.State != None && o.State < NumStates
}
