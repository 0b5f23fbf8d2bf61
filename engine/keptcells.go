package engine

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// The named counters of a director: what there is to keep, where it is read, and how another run goes
// on from it. TestEveryCounterGoesOn finds those that a report shows and that are missing here.

// cell is a named record.
type cell struct {
	name string
	load func() counts
	add  func(*counts) // has the engine go on from counts; no worker turns yet
	slot int
}

// one returns a cell for a count that from publishes and to goes on from.
func one(name string, from *atomic.Uint64, to *uint64) cell {
	return cell{
		name: name, load: func() counts { return counts{from.Load()} },
		add: func(n *counts) { *to += n[0] },
	}
}

// termNames are those of Totals.terms. What is held now is no count.
var termNames = [numTerms]string{
	"received", "originated", "transmitted", "consumed", "", "handed_over", "taken_over", "to_host",
	"from_host",
}

// cells returns the named counters of a worker.
func (w *Worker) cells() (all []cell) {
	prefix := fmt.Sprintf("worker/%d/", w.number)
	add := func(name string, from *atomic.Uint64, to *uint64) {
		all = append(all, one(prefix+name, from, to))
	}
	w.addTotals(add)
	w.addEffort(add)
	p, before := &w.published, &w.counters.before
	for i := range p.handedOver {
		add("handed_over/"+strconv.Itoa(i), &p.handedOver[i], &w.counters.handedOver[i])
	}
	add("evicted", &p.evicted, &before.evicted)
	add("dropped_entries", &p.dropped, &before.dropped)
	add("neighbour_failures", &p.unanswered, &before.unanswered)
	add("refused_moves", &p.refusals, &before.refusals)
	return append(all, cell{
		name: prefix + "in_turns", load: func() counts { return counts{p.inTurns.Load()} },
		add: func(n *counts) { w.effort.times.Total += time.Duration(n[0]) },
	})
}

// adding takes what publishes a count and what goes on from it.
type adding func(name string, from *atomic.Uint64, to *uint64)

// addTotals adds the counts of Totals that the worker itself counts.
func (w *Worker) addTotals(add adding) {
	p, t := &w.published, &w.counters.totals
	for i, to := range t.terms() {
		if termNames[i] != "" {
			add(termNames[i], &p.totals[i], to)
		}
	}
	for v := firstDrop; v < NumVerdicts; v++ {
		add("drop/"+v.String(), &p.totals[numTerms+v-firstDrop], &t.Drops[v])
	}
	add("resets", &p.resets, &t.Resets)
	add("resets_suppressed", &p.suppressed, &t.ResetsSuppressed)
	add("routed", &p.routed, &t.Routed)
	add("unlimited", &p.unlimited, &t.Unlimited)
	add("sources_forgotten", &p.forgotten, &t.SourcesForgotten)
}

// addEffort adds the counts of its turns.
func (w *Worker) addEffort(add adding) {
	p := &w.published
	for i := range p.turnTimes {
		add("turn_times/"+strconv.Itoa(i), &p.turnTimes[i], &w.effort.times.Counts[i])
	}
	add("turns", &p.turns, &w.effort.turns)
	add("busy", &p.busy, &w.effort.busy)
}

// cells returns all named counters. Where only the sum over the workers is shown, the first worker
// goes on from it.
func (e *Engine) cells() (all []cell) {
	for _, w := range e.workers {
		all = append(all, w.cells()...)
	}
	for i, p := range e.cfg.Ports {
		all = append(all, e.portCell(i, p.Name()))
	}
	if e.host != nil {
		for class := range NumHostClasses {
			all = append(all, e.hostCell(class))
		}
	}
	all = append(all, e.templateCell())
	for _, what := range append(KeptReasons(), keptSessions) {
		all = append(all, e.keptCell(what))
	}
	return all
}

func (e *Engine) portCell(i int, name string) cell {
	return cell{name: "port/" + name, load: func() (n counts) {
		t := e.portTotals(i)
		for j, v := range t.all() {
			n[j] = *v
		}
		return n
	}, add: func(n *counts) {
		for j, v := range e.workers[0].counters.ports[i].all() {
			*v += n[j]
		}
	}}
}

func (e *Engine) hostCell(class HostClass) cell {
	return cell{name: "host/" + class.String(), load: func() (n counts) {
		for j, v := range e.hostTotals()[class].all() {
			n[j] = *v
		}
		return n
	}, add: func(n *counts) {
		for j, v := range e.workers[0].counters.host[class].all() {
			*v += n[j]
		}
	}}
}

func (e *Engine) templateCell() cell {
	before := &e.kept.counters.templates
	return cell{name: "templates", load: func() counts {
		t := e.templateStats()
		return counts{t.GaveWay, t.Refused, t.Dropped}
	}, add: func(n *counts) {
		before.GaveWay, before.Refused, before.Dropped = n[0], n[1], n[2]
	}}
}

// templateStats returns the figures of the table of templates, with the counts of the runs before.
func (e *Engine) templateStats() TemplateStats {
	t := e.templates.Stats()
	if e.kept != nil {
		before := &e.kept.counters.templates
		t.GaveWay += before.GaveWay
		t.Refused += before.Refused
		t.Dropped += before.Dropped
	}
	return t
}

// keptSessions is the key of sessions that go on in KeptReport.Sum.
const keptSessions = "kept"

func (e *Engine) keptCell(what string) cell {
	return cell{
		name: "kept/" + what, load: func() counts { return counts{e.Kept().Sum[what]} },
		add: func(n *counts) { e.kept.counters.kept[what] = n[0] },
	}
}

// sum returns KeptReport.Sum. The caller has locked mu.
func (k *keeping) sum() map[string]uint64 {
	sum := map[string]uint64{
		keptSessions: k.counters.kept[keptSessions] + uint64(k.report.Kept),
	}
	for _, why := range KeptReasons() {
		sum[why] = k.counters.kept[why] + uint64(k.report.Dropped[why])
	}
	return sum
}
