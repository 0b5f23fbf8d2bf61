package engine

import (
	"maps"
	"slices"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/packet"
)

// setOwner sets the rule by which workers own the flows of a service. Its sessions by the other
// rule stay where they are. A service that comes back may have any.
func (c *change) setOwner(live *liveService, fresh bool) {
	owner := live.settings.owner()
	changed := !fresh && live.owner != owner || fresh && len(live.servers) > 0
	live.owner = owner
	if changed && c.registry.workers > 1 {
		c.setFormer(live)
	}
}

// setFormer notes that sessions may be owned by the other rule than a service's.
func (c *change) setFormer(live *liveService) {
	live.former, live.formerAt = true, c.registry.revision+1
	c.registry.formers[live] = true
}

// follow is setFormer for a service that the new snapshot has already.
func (c *change) follow(live *liveService) {
	was := live.former
	if c.setFormer(live); was {
		return
	}
	c.replace(live, func(e *serviceEntry) { e.former = true })
}

// reroute notes that the answers to local addresses may come in at other ports than before.
func (c *change) reroute() {
	r := c.registry
	if c.old.epoch != 0 && r.workers > 1 && !c.engine.steering.Uniform() {
		r.rerouted, r.reroutedAt = true, r.revision+1
	}
}

// moving reports whether sessions may be at workers that do not own their flows any more, or
// whether a worker may still think so.
func (r *registry) moving() bool {
	return len(r.formers) > 0 || r.rerouted || r.strays != nil || r.settledAt != 0
}

// census finds the sessions that are at workers that do not own their flows any more. Only those
// count that were there before all workers had adopted the change.
type census struct {
	revision uint64                // adopted by all workers before it began
	services map[*liveService]bool // that are asked about; no session was found yet
	rerouted bool                  // the same for sessions from local addresses
	strays   bool                  // the same for stray sessions
}

// takeCensus looks at the workers' sessions, piece by piece, for as long as it has to find any. It
// returns nil if there is nothing to find out, or if a worker does not answer.
func (e *Engine) takeCensus(ask asking) *census {
	c := e.newCensus()
	if c == nil {
		return nil
	}
	for worker := range e.workers {
		p := censusPiece{census: c, more: true}
		for p.more && !c.over() {
			if ask(worker, p.look) != nil {
				return nil
			}
			c.note(&p)
		}
	}
	return c
}

// newCensus returns what a census has to find out; nil if it is nothing.
func (e *Engine) newCensus() *census {
	r := e.registry
	r.changing.Lock()
	defer r.changing.Unlock()
	adopted := e.adopted()
	c := &census{services: maps.Clone(r.formers), revision: adopted}
	maps.DeleteFunc(c.services, func(s *liveService, _ bool) bool { return s.formerAt > adopted })
	c.rerouted = r.rerouted && r.reroutedAt <= adopted
	c.strays = r.strays != nil && r.straysAt <= adopted
	if c.over() {
		return nil
	}
	return c
}

// over reports whether the census has found everything that it asked about.
func (c *census) over() bool { return len(c.services) == 0 && !c.rerouted && !c.strays }

// note takes out what a piece has found.
func (c *census) note(p *censusPiece) {
	if p.found != nil {
		delete(c.services, p.found)
	}
	if p.rerouted {
		c.rerouted = false
	}
	if p.stray {
		c.strays = false
	}
}

// censusPiece is what a worker does for a census at a time.
type censusPiece struct {
	census   *census // read only
	next     uint32  // slot to go on with
	more     bool
	found    *liveService // has a session by the former rule
	rerouted bool         // a session's answers come to another worker now
	stray    bool         // a session is a stray one
}

// look looks at the next sessions of a worker, up to the first that the census asks about.
func (p *censusPiece) look(w *Worker) bool {
	p.found, p.rerouted, p.stray = nil, false, false
	for range listChunk {
		if p.next, p.more = w.sessions.NextUsed(p.next); !p.more {
			break
		}
		slot := p.next
		p.next++
		if s := w.sessions.At(slot); s.Live() && !isEcho(s.Protocol) && p.finds(w, slot, s) {
			break
		}
	}
	return true
}

// finds notes whether the census asks about a session. Echo requests are never steered by these
// rules.
func (p *censusPiece) finds(w *Worker, slot uint32, s *conntrack.Session) bool {
	server := w.snap.servers[s.Server]
	if server.gone {
		return false // its packets are dropped
	}
	in := w.sessions.Flow(slot, conntrack.Inbound)
	service, ok := w.snap.serviceAt(in.Dst, in.DstPort, s.Protocol) // which may have taken it over
	if ok && ownerOf(s) != service.owner && p.census.services[service.live] {
		p.found = service.live
	}
	if p.census.rerouted && s.Mode.Source() == lvs.Local {
		k := packet.Key{Flow: w.sessions.Flow(slot, conntrack.Outbound), Protocol: s.Protocol}
		p.rerouted = w.answerOwner(&k) != w.number
	}
	if p.census.strays && s.Flags&conntrack.TwoWay != 0 {
		home, strays := w.snap.strays.home(&packet.Key{Flow: in, Protocol: s.Protocol})
		p.stray = strays && home == w.number
	}
	return p.found != nil || p.rerouted || p.stray
}

// ownerOf returns the rule by which a session's worker owns its flow. Its mode does not tell: real
// servers of other modes in the service may have set the rule.
func ownerOf(s *conntrack.Session) lvs.Owner {
	if s.Flags&conntrack.ByClient != 0 {
		return lvs.ClientEnd
	}
	return lvs.Receiver
}

// settle notes that no session is at a former owner, as far as a census has found none. moving
// lasts until all workers know that: one that hands a flow to its former owner must get it back.
func (c *change) settle(n *census) {
	r := c.registry
	if r.settledAt != 0 && c.engine.adopted() >= r.settledAt {
		r.settledAt, c.changed = 0, true
	}
	if n == nil {
		return
	}
	for live := range n.services {
		c.forgetFormer(live, n.revision)
	}
	if n.rerouted && r.reroutedAt <= n.revision {
		r.rerouted, r.settledAt, c.changed = false, r.revision+1, true
	}
	if n.strays {
		r.strays, r.settledAt, c.changed = nil, r.revision+1, true
	}
}

// forgetFormer drops the former rule of a service, unless it has changed since the census began.
func (c *change) forgetFormer(live *liveService, revision uint64) {
	r := c.registry
	if !r.formers[live] || live.formerAt > revision {
		return
	}
	live.former = false
	delete(r.formers, live)
	r.settledAt, c.changed = r.revision+1, true
	c.replace(live, func(e *serviceEntry) { e.former = false })
}

// replace replaces a service's entry in the new snapshot by a changed copy.
func (c *change) replace(live *liveService, edit func(*serviceEntry)) {
	old, known := c.new.serviceOf(live)
	if !known {
		return
	}
	entry := *old
	edit(&entry)
	c.enter(&entry)
	order := c.ownOrder()
	(*order)[slices.Index(*order, old)] = &entry
	c.setEchoes(live)
}
