package engine

import "fulcrum/packet"

// Defence says when one of IPVS's defences against overload is active. The kernel goes by free
// pages; here it is how full the worker's session tables are, since their memory is taken at start.
type Defence uint8

const (
	DefenceOff  Defence = iota
	DefenceAuto         // while the worker's table of either family is nearly full
	DefenceOn
)

// Defences are IPVS's defences, as settings.
type Defences struct {
	// DropEntry: some half-open and silent sessions end each second. Auto: of the family whose table
	// is nearly full.
	DropEntry Defence
	// DropPacket: some packets that would begin sessions are dropped. Auto: of that family likewise.
	DropPacket Defence
	SecureTCP  Defence // TCP sessions go by the denial state table
}

// ActiveDefences says which defences are active at a worker.
type ActiveDefences struct{ DropEntry, DropPacket, SecureTCP bool }

// A worker's table is nearly full from seven eighths on, and until it is below three quarters.
const (
	pressedFrom  = 7
	pressedUntil = 6
	eighths      = 8
)

// drop_packet drops one of so many packets that would begin sessions. The kernel's am_droprate is
// 10. Its automatic rate reaches 1, and then nothing begins, to save memory. Here there is none to
// be saved, and a full table gives way.
const (
	rateOn      = 10
	hardestRate = 2 // of automatic ones
	mildestRate = rateOn
)

// numClients is the number of families of clients. Each has a table of its own.
const numClients = 2

// clientFamily returns the index of a client's family in what is kept for both.
func clientFamily(client packet.Addr) int {
	if client.Is4() {
		return 0
	}
	return 1
}

// guarding is the state of a worker's defences, by the clients' family.
type guarding struct {
	pressed  [numClients]bool // the table is nearly full
	entries  [numClients]bool // drop_entry is active
	shedding [numClients]shedding
}

// defend decides which defences are active.
func (w *Worker) defend() {
	n, g := &w.snap.settings.Defences, &w.guarding
	var active ActiveDefences
	for f := range numClients {
		used, size := w.occupancy(f)
		g.pressed[f] = isPressed(used, size, g.pressed[f])
		g.entries[f] = n.DropEntry.active(g.pressed[f])
		g.shedding[f].every = n.DropPacket.rate(used, size, g.pressed[f])
		active.SecureTCP = active.SecureTCP || n.SecureTCP.active(g.pressed[f])
		active.DropEntry = active.DropEntry || g.entries[f]
		active.DropPacket = active.DropPacket || g.shedding[f].every != 0
	}
	ways := ordinaryWays
	if active.SecureTCP {
		ways = denialWays
	}
	if ways != w.ways {
		w.ways = ways
		w.paved++
	}
	w.published.setDefences(active)
}

// occupancy returns how many sessions the table of a family has, and how many it can have.
func (w *Worker) occupancy(family int) (used, size int) {
	six, size6 := w.sessions.LenV6(), w.sessions.CapV6()
	if family == 0 {
		return w.sessions.Len() - six, w.sessions.Cap() - size6
	}
	return six, size6
}

// isPressed reports whether a table is nearly full. was is what it returned before.
func isPressed(used, size int, was bool) bool {
	limit := pressedFrom
	if was {
		limit = pressedUntil
	}
	return size > 0 && used*eighths >= size*limit
}

// active reports whether a defence is active for a table.
func (d Defence) active(pressed bool) bool { return d == DefenceOn || d == DefenceAuto && pressed }

// rate returns of how many packets that would begin sessions drop_packet drops one; 0 is never. The
// automatic rate is threshold / (threshold - available), as in update_defense_level in
// net/netfilter/ipvs/ip_vs_ctl.c, but of free places instead of free pages, with an eighth of the
// table as the threshold.
func (d Defence) rate(used, size int, pressed bool) uint32 {
	beyond := used*eighths - size*pressedFrom
	switch {
	case !d.active(pressed):
		return 0
	case d == DefenceOn:
		return rateOn
	case beyond <= 0: // it was fuller
		return mildestRate
	}
	return uint32(min(max(size/beyond, hardestRate), mildestRate))
}

// shedding is how drop_packet drops the packets of one family.
type shedding struct {
	every  uint32 // one of so many is dropped; 0 is none
	passed uint32 // since the last that was dropped
}

// sheds reports whether drop_packet drops a packet that would begin a session, and counts it unless
// it is a question. As ip_vs_todrop in the kernel's include/net/ip_vs.h, it leaves nothing to
// chance.
func (w *Worker) sheds(a *arrival) bool {
	s := &w.guarding.shedding[clientFamily(a.key.Src)]
	if s.every == 0 {
		return false
	}
	drop := s.passed+1 >= s.every
	switch {
	case a.question:
	case drop:
		s.passed = 0
	default:
		s.passed++
	}
	return drop
}

// dropEntries has drop_entry end some sessions, where it is active.
func (w *Worker) dropEntries() {
	for f, active := range w.guarding.entries {
		if active {
			w.sessions.DropEntries(f != 0, w.now, w.random)
		}
	}
}

// dropsEntries reports whether drop_entry is active for any family.
func (g *guarding) dropsEntries() bool { return g.entries != [numClients]bool{} }

// dropsEntries reports whether drop_entry is active at any worker.
func (e *Engine) dropsEntries() bool {
	for _, w := range e.workers {
		if w.published.dropEntry.Load() {
			return true
		}
	}
	return false
}
