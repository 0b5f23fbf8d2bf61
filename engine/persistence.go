package engine

import (
	"math/rand/v2"
	"time"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/persist"
	"fulcrum/ports"
	"fulcrum/sched"
)

// Persistence, as the kernel has it (ip_vs_sched_persist in net/netfilter/ipvs/ip_vs_core.c): a
// template remembers the real server of a client's network. It is asked before the scheduler.

// defaultTemplates is how many templates the director has if Config does not say.
const defaultTemplates = 100_000

// newTemplates makes the director's table of templates. Its pages cost memory when they are used.
func newTemplates(c *Config) (*persist.Table, error) {
	most := c.Templates
	if most == 0 {
		most = defaultTemplates
	}
	return persist.New(persist.Config{Max: most, Servers: maxServers, Seed: c.Seed})
}

// sticky is how a service's clients stay with their real servers.
type sticky struct {
	timeout uint32      // ms after the last new session; 0 is not at all
	mask    packet.Addr // of the networks that stay together
	bits    int         // its prefix length
	byCall  bool        // each SIP call of a network stays for itself
}

func newSticky(s *Service) sticky {
	if s.Persistence == 0 {
		return sticky{}
	}
	bits, all := s.PersistenceMask, s.Address.Addr().BitLen()
	return sticky{
		timeout: uint32(s.Persistence / time.Millisecond), mask: packet.PrefixMask(128 - all + bits),
		bits: bits, byCall: s.PersistenceEngine == lvs.EngineSIP,
	}
}

// templateKey returns the key of an arrival's template.
func templateKey(service *serviceEntry, a *arrival) persist.Key {
	return persist.Key{
		Network: a.key.Src.And(service.sticky.mask), Service: service.live.number, Call: a.call,
	}
}

// readCall gives an arrival the call that its packet belongs to, and reports whether the packet is
// a SIP message with a Call-ID. Of a fragmented one only the first fragment is read.
func (w *Worker) readCall(a *arrival, p *ports.Packet, m *meta) bool {
	id, ok := packet.CallID(packet.UDP(p.Bytes()[m.Transport:m.End]).Data())
	if ok {
		a.call = w.engine.templates.HashCall(id)
	}
	return ok
}

// chooseKept has a decision go to the real server of the client's template, and reports whether
// there is one to go to. An overloaded real server keeps its clients. One of weight 0 does unless
// ExpireQuiescent is set. One that is down does not.
func (w *Worker) chooseKept(pool *sched.Pool, a *arrival, d *decision) bool {
	if isEcho(a.key.Protocol) {
		return false
	}
	key := templateKey(d.service, a)
	kept, ok := w.engine.templates.Find(&key, w.now)
	if !ok || int(kept.ID) >= len(w.snap.servers) {
		return false
	}
	server := w.snap.servers[kept.ID]
	if server.gone || server.incarnation != kept.Incarnation || server.service != d.service.live ||
		pool.LeavesOut(server.load) ||
		w.snap.settings.ExpireQuiescent && pool.Drained(server.load) {
		return false
	}
	d.id, d.server, d.kept = kept.ID, server, true
	return true
}

// tie makes or restarts the template of a new session. If the table is full, the session goes on
// without one.
func (w *Worker) tie(s *conntrack.Session, a *arrival, d *decision) {
	if isEcho(a.key.Protocol) {
		return
	}
	key := templateKey(d.service, a)
	to := persist.Server{ID: d.id, Incarnation: d.server.incarnation}
	ref, _ := w.engine.templates.Begin(&key, to, d.service.sticky.timeout, w.now)
	s.Template, s.Life = ref.Place, ref.Life
}

// untie tells a session's template that the session has ended.
func (w *Worker) untie(s *conntrack.Session) {
	// Invented sources send one datagram each. Of connections, confirmTemplate tells.
	confirmed := s.State == conntrack.UDP && s.PacketsIn > 1
	w.engine.templates.End(templateOf(s), confirmed, w.now)
}

// confirmTemplate notes that a session under a template got past its handshake.
func (w *Worker) confirmTemplate(s *conntrack.Session, c conntrack.Transition) {
	if c.To == conntrack.Established || c.To == conntrack.SCTPEstablished {
		w.engine.templates.Confirm(templateOf(s))
	}
}

// isControlled reports whether a session is under a template that is still there.
func (w *Worker) isControlled(s *conntrack.Session) bool {
	return s.Template != 0 && w.engine.templates.Holds(templateOf(s))
}

func templateOf(s *conntrack.Session) persist.Ref {
	return persist.Ref{Place: s.Template, Life: s.Life}
}

// Bounds of the sweep over the templates: the part of the table in one call, of about 100 a second,
// and the least number. So a pass takes less than a minute.
const (
	sweptShare = 4096
	leastSwept = 64
)

// sweepTemplates has the first worker look at some templates.
func (w *Worker) sweepTemplates() {
	if w.number != 0 {
		return
	}
	var drop *rand.Rand
	if w.engine.dropsEntries() {
		drop = w.random
	}
	if s := w.engine.templates.Stats(); s.Templates != 0 {
		w.engine.templates.Sweep(leastSwept+s.Max/sweptShare, w.now, w.lost, drop)
	}
}

// lost reports whether a template's real server was removed. Other workers may know newer ones.
func (w *Worker) lost(s persist.Server) bool {
	if int(s.ID) >= len(w.snap.servers) {
		return false
	}
	e := w.snap.servers[s.ID]
	return e.incarnation > s.Incarnation || e.incarnation == s.Incarnation && e.gone
}
