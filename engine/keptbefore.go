package engine

import (
	"strconv"
	"strings"

	"fulcrum/lvs"
)

// A run begins with what the run before has counted: see keptcounters.go.

// goOnCounting adds what the run before has counted.
func (e *Engine) goOnCounting(before *counted) {
	cells := map[string]*cell{}
	for i := range e.kept.counters.cells {
		c := &e.kept.counters.cells[i]
		cells[c.name] = c
	}
	for name, n := range before.named {
		if c := cells[nameNow(name, len(e.workers))]; c != nil {
			c.add(&n)
		}
	}
	e.accountForLost()
	for _, w := range e.workers {
		w.publishTotals()
	}
	e.registry.goOn(before.traffic)
}

// nameNow returns the name of a counter with another number of workers: those beyond it have others
// go on from their counts, so that no sum goes back.
func nameNow(name string, workers int) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		after := i > 0 && (parts[i-1] == "worker" || parts[i-1] == "handed_over")
		if n, err := strconv.Atoi(parts[i]); after && err == nil && n >= 0 {
			parts[i] = strconv.Itoa(n % workers)
		}
	}
	return strings.Join(parts, "/")
}

// accountForLost has the counters of the run before balance. Packets that were held or on their way
// between workers when it was killed count as stopped. Where a reader met counters that were being
// copied, more may seem to have left than came in: those came in.
func (e *Engine) accountForLost() {
	var handed, taken uint64
	for _, w := range e.workers {
		handed += w.counters.totals.HandedOver
		taken += w.counters.totals.TakenOver
	}
	first := &e.workers[0].counters.totals
	first.TakenOver += max(handed, taken) - taken
	first.HandedOver += max(handed, taken) - handed
	for _, w := range e.workers {
		t := &w.counters.totals
		if lost := t.Balance(); lost > 0 {
			t.Drops[DropStopped] += uint64(lost)
		} else {
			t.Received += uint64(-lost)
		}
	}
}

// goOn has services and real servers go on from what they had counted in the run before. Those that
// come later do so then.
func (r *registry) goOn(was map[lvs.RealServerID]counts) {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.was = was
	for _, s := range r.services {
		r.inheritAll(s)
	}
	for _, live := range r.live {
		r.inherit(live)
	}
	for _, s := range r.services {
		s.view.Store(r.newView(s))
	}
}

// inheritAll gives a service all that it had counted in the run before, with all its real servers.
func (r *registry) inheritAll(s *liveService) {
	id := lvs.RealServerID{Service: s.id}
	was := r.was[id]
	delete(r.was, id)
	s.inherited = was.traffic()
	s.forgotten.add(s.inherited)
}

// inherit gives a real server what it had counted in the run before, of what its service has.
func (r *registry) inherit(live *liveServer) {
	was, found := r.was[live.id]
	if !found {
		return
	}
	delete(r.was, live.id)
	live.inherited, live.silences = was.traffic(), was[numTraffic]
	live.before.subtract(live.inherited)
	for i, n := range live.of.forgotten.all() {
		*n -= min(*n, was[i])
	}
}
