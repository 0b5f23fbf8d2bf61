package engine

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/sched"
)

// listChunk is how many slots a worker reads for one letter: 8 KB in the order of memory, one or
// two microseconds. Control polls between two letters. So a listing of ten million sessions takes
// half a minute and less than a hundredth of the worker's time.
const listChunk = 128

// endChunk is listChunk for ending sessions, which costs far more than reading them.
const endChunk = 32

// letterPatience is how long a worker may take for one letter. It takes a turn, unless the machine
// is heavily overloaded.
const letterPatience = 10 * time.Second

// SessionInfo describes a session at the moment when its worker copied it.
type SessionInfo struct {
	Worker     int
	Protocol   uint8
	State      conntrack.State
	Mode       lvs.Mode
	Client     netip.AddrPort
	VIP        netip.AddrPort
	Local      netip.AddrPort // fullnat: the real server sees this as the client; otherwise zero
	RealServer netip.AddrPort
	Service    string        // name of its service; empty if the service was removed
	Idle, Left time.Duration // since its last packet; until it ends without another one
	PacketsIn  uint32        // modulo 2^32
	PacketsOut uint32
}

// Cursor is a position in a listing: a worker and a slot. Zero is the beginning.
type Cursor uint64

func (c Cursor) worker() int  { return int(c >> 32) }
func (c Cursor) slot() uint32 { return uint32(c) }

// shownSessions holds what a worker copies for one letter, and what is needed to describe it.
type shownSessions struct {
	sessions [listChunk]conntrack.Copy
	slots    [listChunk]uint32
	n        int
	next     uint32 // slot to continue with
	more     bool
	now      uint32 // ms
	snap     *snapshot
}

// Sessions calls show for each session from a cursor on, with the cursor of the next session. It
// ends when show returns false or there are no more sessions. Workers do a bounded piece at a time
// and never wait, however long show takes. Sessions that begin or end meanwhile may be shown or
// not. Any goroutine may call it.
func (e *Engine) Sessions(
	ctx context.Context, from Cursor, show func(s *SessionInfo, after Cursor) bool,
) error {
	chunk := new(shownSessions)
	worker, slot := from.worker(), from.slot()
	for ; worker < len(e.workers); worker, slot = worker+1, 0 {
		chunk.more = true
		for chunk.more {
			err := e.letter(ctx, worker, func(w *Worker) bool {
				w.showSessions(chunk, slot)
				return true
			})
			if err != nil {
				return err
			}
			slot = chunk.next
			for i := range chunk.sessions[:chunk.n] {
				info := chunk.info(worker, i)
				if !show(&info, Cursor(worker)<<32|Cursor(chunk.slots[i]+1)) {
					return nil
				}
			}
		}
	}
	return nil
}

// letter is ask with a deadline of its own, for one piece of a listing at a time.
func (e *Engine) letter(ctx context.Context, worker int, do func(*Worker) (done bool)) error {
	e.listing.Lock()
	defer e.listing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, letterPatience)
	defer cancel()
	return e.ask(ctx, worker, do)
}

// showSessions copies the sessions among the next slots.
func (w *Worker) showSessions(c *shownSessions, slot uint32) {
	c.n, c.now, c.snap = 0, w.now, w.snap
	for range listChunk {
		if slot, c.more = w.sessions.NextUsed(slot); !c.more {
			break
		}
		if w.sessions.At(slot).Live() {
			w.sessions.CopyTo(slot, &c.sessions[c.n])
			c.slots[c.n] = slot
			c.n++
		}
		slot++
	}
	c.next = slot
}

// info describes the i-th session of a chunk from a worker.
func (c *shownSessions) info(worker, i int) SessionInfo {
	s := &c.sessions[i]
	server, in := c.snap.servers[s.Server], s.Flow(conntrack.Inbound)
	timeout := c.snap.settings.Timeouts.Of(s.State, server.timeouts)
	left := int32(s.LastSeen + timeout - c.now)
	info := SessionInfo{
		Worker: worker, Protocol: s.Protocol, State: s.State, Mode: s.Mode,
		Client:     netip.AddrPortFrom(in.Src.Netip(), in.SrcPort),
		VIP:        netip.AddrPortFrom(in.Dst.Netip(), in.DstPort),
		RealServer: server.at(s.Flow(conntrack.Outbound).SrcPort),
		Idle:       time.Duration(c.now-s.LastSeen) * time.Millisecond,
		Left:       time.Duration(max(left, 0)) * time.Millisecond,
		PacketsIn:  s.PacketsIn, PacketsOut: s.PacketsOut,
	}
	if service, ok := c.snap.serviceOf(server.service); ok {
		info.Service = service.name
	}
	if s.Mode.Source() == lvs.Local {
		out := s.Flow(conntrack.Outbound)
		info.Local = netip.AddrPortFrom(out.Dst.Netip(), out.DstPort)
	}
	return info
}

// ErrNoServer reports that no service has or had the real server.
var ErrNoServer = errors.New("engine: no such real server")

// EndSessions ends all sessions of a real server and returns their number. Later packets of these
// sessions belong to no session. It returns ErrNoServer for an unknown real server. Any goroutine
// may call it.
func (e *Engine) EndSessions(ctx context.Context, id lvs.RealServerID) (ended int, err error) {
	load := e.registry.find(id)
	if load == nil {
		return 0, ErrNoServer
	}
	for worker := range e.workers {
		slot, more := uint32(0), true
		for more {
			piece := 0
			err := e.letter(ctx, worker, func(w *Worker) bool {
				piece, slot, more = w.endSessions(load, slot)
				return true
			})
			if err != nil {
				return ended, err
			}
			ended += piece
		}
	}
	return ended, nil
}

// endSessions ends a real server's sessions among the next slots. It compares loads, because
// between two letters the id may become another real server's.
func (w *Worker) endSessions(load *sched.Load, slot uint32) (ended int, next uint32, more bool) {
	for range endChunk {
		if slot, more = w.sessions.NextUsed(slot); !more {
			break
		}
		if s := w.sessions.At(slot); s.Live() && w.snap.servers[s.Server].load == load {
			w.sessions.End(slot)
			ended++
		}
		slot++
	}
	return ended, slot, more
}

// SessionsOf returns the number of sessions of a real server; 0 for an unknown one. Any goroutine
// may call it.
func (e *Engine) SessionsOf(id lvs.RealServerID) int {
	if load := e.registry.find(id); load != nil {
		return int(load.Total())
	}
	return 0
}

// LoadOf returns the numbers of active and of inactive sessions that a real server has now, as IPVS
// counts them.
func (e *Engine) LoadOf(id lvs.RealServerID) (active, inactive int) {
	if load := e.registry.find(id); load != nil {
		return int(load.Active()), int(load.Inactive())
	}
	return 0, 0
}
