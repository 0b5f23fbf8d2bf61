package sched_test

import "net/netip"

// localityModel is the table of lblc and lblcr while it has few destinations: only the full sweep
// of every half hour drops some.
type localityModel struct {
	begun   bool
	next    uint32 // when the next full sweep is due
	entries map[netip.Addr]*localityEntry
}

type localityEntry struct {
	set           []*destination // the newest first; of lblc one
	used, changed uint32
}

const (
	halfHour = 30 * 60 * 1000
	day      = 24 * 60 * 60 * 1000
)

func (c *localityModel) entry(p packetModel) *localityEntry {
	if !c.begun {
		c.begun, c.next, c.entries = true, p.now+halfHour, map[netip.Addr]*localityEntry{}
	}
	for ; c.next <= p.now; c.next += halfHour {
		for a, e := range c.entries {
			if c.next-e.used >= day {
				delete(c.entries, a)
			}
		}
	}
	e := c.entries[p.destination]
	if e == nil {
		return nil
	}
	e.used = p.now
	return e
}

func (k *kernel) lblc(p packetModel) *destination {
	e := k.cache.entry(p)
	if e != nil {
		if d := e.set[0]; d.available && d.weight > 0 && !k.crowded(d) {
			return d
		}
	}
	d := k.wlc()
	if d != nil {
		k.cache.entries[p.destination] = &localityEntry{set: []*destination{d}, used: p.now}
	}
	return d
}

func (k *kernel) lblcr(p packetModel) *destination {
	e := k.cache.entry(p)
	if e == nil {
		d := k.wlc()
		if d != nil {
			k.cache.entries[p.destination] = &localityEntry{
				set: []*destination{d}, used: p.now, changed: p.now,
			}
		}
		return d
	}
	var best *destination
	for _, d := range e.set {
		if d.available && d.usable() &&
			(best == nil || d.overhead()*best.weight < best.overhead()*d.weight) {
			best = d
		}
	}
	if len(e.set) > 1 && p.now-e.changed > day {
		e.leave(p.now)
	}
	if best != nil && !k.crowded(best) {
		return best
	}
	if best = k.wlc(); best != nil {
		e.join(best, p.now)
	}
	return best
}

func (e *localityEntry) join(d *destination, now uint32) {
	for _, m := range e.set {
		if m == d {
			return
		}
	}
	e.set, e.changed = append([]*destination{d}, e.set...), now
}

// leave has the most loaded member leave.
func (e *localityEntry) leave(now uint32) {
	worst := -1
	for i, d := range e.set {
		if d.weight > 0 && (worst < 0 ||
			e.set[worst].overhead()*d.weight < d.overhead()*e.set[worst].weight) {
			worst = i
		}
	}
	if worst >= 0 {
		e.set, e.changed = append(append([]*destination{}, e.set[:worst]...), e.set[worst+1:]...), now
	}
}

func (k *kernel) crowded(d *destination) bool {
	if d.active <= d.weight {
		return false
	}
	for _, other := range k.list {
		if 2*other.active < other.weight {
			return true
		}
	}
	return false
}
