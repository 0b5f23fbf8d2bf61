package engine

import (
	"slices"
	"sync/atomic"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/packet"
)

// usesPerLine is how many counts fill a cache line.
const usesPerLine = 16

// useLine holds counts that one worker writes.
type useLine [usesPerLine]atomic.Uint32

// localUse counts the sessions of one real server by local address. Each worker writes its own
// lines, once when a session begins and once when it ends; anyone may read. The lines never move,
// and are shared by all versions of a localUse.
type localUse struct {
	numbers *localNumbers
	lines   [][]useLine // by number / usesPerLine, and worker
	socket  *socket     // of the real server
}

// localNumbers numbers the local addresses of a service, those of its old sessions included. An
// address keeps its number as long as a session may use it. It never changes.
type localNumbers struct {
	addresses []packet.Addr // by number
	of        lookup[uint32]
}

// at returns a worker's count of sessions from the local address with a number.
func (u *localUse) at(number uint32, worker int) *atomic.Uint32 {
	return &u.lines[number/usesPerLine][worker][number%usesPerLine]
}

// extended returns the same counts with place for other numbers.
func (u *localUse) extended(n *localNumbers, workers int) *localUse {
	more := &localUse{numbers: n, lines: slices.Clone(u.lines), socket: u.socket}
	for len(more.lines)*usesPerLine < len(n.addresses) {
		more.lines = append(more.lines, make([]useLine, workers))
	}
	return more
}

// sessions returns the number of sessions from a local address.
func (u *localUse) sessions(a packet.Addr) int {
	if u == nil || len(u.lines) == 0 {
		return 0
	}
	total := 0
	for worker := range u.lines[0] {
		total += u.by(worker, a)
	}
	return total
}

// by returns the number of a worker's sessions from a local address.
func (u *localUse) by(worker int, a packet.Addr) int {
	number, ok := u.numbers.of.get(addressKey(a))
	if !ok {
		return 0
	}
	return int(u.at(number, worker).Load())
}

// takeLocal counts a new session from the local address of a decision.
func (w *Worker) takeLocal(d *decision) {
	add(d.server.use.at(d.local, w.number), 1)
}

// leaveLocal counts the end of a session from a local address.
func (w *Worker) leaveLocal(slot uint32, server *serverEntry) {
	local := w.sessions.Flow(slot, conntrack.Outbound).Dst
	if number, ok := server.use.numbers.of.get(addressKey(local)); ok {
		add(server.use.at(number, w.number), ^uint32(0))
	}
}

// add changes a count that only the caller writes.
func add(count *atomic.Uint32, by uint32) { count.Store(count.Load() + by) }

// hasLocals reports whether new sessions with a real server of a service need local addresses.
func (s *Service) hasLocals(rs *RealServer) bool { return s.modeOf(rs).Source() == lvs.Local }
