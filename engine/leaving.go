package engine

import (
	"slices"
	"time"

	"fulcrum/lvs"
	"fulcrum/match"
	"fulcrum/packet"
)

// A match that a service gives up may have sessions left. While it may, packets to it come to the
// workers that owned its flows.

// leftMatch is a match that a service has given up, with the owner of its clients' flows.
type leftMatch struct {
	lvs.Match
	owner lvs.Owner
	at    time.Time
}

// mostLeft bounds the matches of a service that are remembered after it gave them up. A service
// that is never without sessions would keep all that it ever had.
const mostLeft = 1 << 14

// leave remembers a match that a service has given up, in place of the oldest if there are many.
func (c *change) leave(live *liveService, l leftMatch) {
	if len(live.left) >= mostLeft {
		oldest := live.left[0].Match
		c.forgetLeft(live, func(l leftMatch) bool { return l.Match == oldest })
	}
	live.left = append(live.left, l)
	c.registry.leaving[live] = true
	c.registry.left[l.Match]++
	if l.Single() {
		c.ownLeaving(1).set(singleKey(l.Match), l.owner)
	} else {
		c.reranged = true
	}
}

// forgetLeft forgets some of what a service has given up.
func (c *change) forgetLeft(live *liveService, which func(leftMatch) bool) {
	live.left = slices.DeleteFunc(live.left, func(l leftMatch) bool {
		if !which(l) {
			return false
		}
		c.dropLeft(live, l.Match)
		return true
	})
	if len(live.left) == 0 {
		delete(c.registry.leaving, live)
	}
}

// dropLeft forgets that a service has given a match up. Another one may have given it up too.
func (c *change) dropLeft(live *liveService, m lvs.Match) {
	r := c.registry
	if r.left[m]--; r.left[m] == 0 {
		delete(r.left, m)
	}
	switch {
	case !m.Single():
		c.reranged = true
	case r.left[m] == 0:
		c.ownLeaving(0).remove(singleKey(m))
	default:
		c.ownLeaving(1).set(singleKey(m), r.lastLeft(live, m).owner)
	}
}

// lastLeft returns when a service but one has given a match up last.
func (r *registry) lastLeft(but *liveService, m lvs.Match) (last leftMatch) {
	for live := range r.leaving {
		for _, l := range live.left {
			if live != but && l.Match == m && !l.at.Before(last.at) {
				last = l
			}
		}
	}
	return last
}

// forgetAllLeft forgets what services have given up long ago and have no sessions of. The time is
// far longer than workers need to learn that they have given it up.
func (c *change) forgetAllLeft() {
	for live := range c.registry.leaving {
		if !c.registry.hasSessions(live) {
			c.forgetLeft(live, func(l leftMatch) bool {
				return len(live.servers) == 0 || c.now.Sub(l.at) >= forgetAfter
			})
		}
	}
}

// hasSessions reports whether a session of a service may exist.
func (r *registry) hasSessions(live *liveService) bool {
	for _, id := range live.servers {
		if r.live[id].load.Total() != 0 {
			return true
		}
	}
	return false
}

// leavingRanges returns the ranges that services have given up, with the owner of the last one.
func (r *registry) leavingRanges() (all []match.Entry[lvs.Owner]) {
	last := map[lvs.Match]leftMatch{}
	for live := range r.leaving {
		for _, l := range live.left {
			if !l.Single() && !l.at.Before(last[l.Match].at) {
				last[l.Match] = l
			}
		}
	}
	for m, l := range last {
		all = append(all, match.Entry[lvs.Owner]{Match: m, Value: l.owner})
	}
	return all
}

// noteMoved notes that another service may claim a match than before, or none.
func (c *change) noteMoved(m lvs.Match) {
	if c.registry.workers > 1 {
		c.moved = append(c.moved, m)
	}
}

// followMoved has packets look for sessions at the workers that owned their flows when another
// service claimed them, if that had the other rule.
func (c *change) followMoved() {
	if len(c.moved) == 0 {
		return
	}
	var wide []lvs.Match
	c.reranged = false
	for _, m := range c.moved {
		if m.Single() {
			c.followSingle(m)
		} else {
			wide = append(wide, m)
		}
	}
	c.followRanges(match.SpansOf(wide))
	c.setRanges()
}

func (c *change) followSingle(m lvs.Match) {
	k := packet.Key{Protocol: uint8(m.Protocol)}
	k.Dst, k.DstPort = packet.AddrOf(m.First), m.Ports.First
	was, known := c.old.ownerAt(&k)
	now, ok := c.new.serviceAt(k.Dst, k.DstPort, k.Protocol)
	if known && ok && was != now.owner {
		c.follow(now.live)
	}
}

// followRanges has all services with ranges among some addresses follow, as far as services with
// the other rule had ranges there. It does not look at ports: to ask too many workers does no harm.
func (c *change) followRanges(moved match.Spans) {
	if moved.Empty() {
		return
	}
	by := c.ownersAmong(moved)
	for _, e := range slices.Clone(c.new.order) {
		if by[e.owner.Other()] && overlaps(e.ranged, moved) {
			c.follow(e.live)
		}
	}
}

// ownersAmong returns the owners of clients' flows to some addresses before the change, but those
// of single matches that are still claimed.
func (c *change) ownersAmong(moved match.Spans) map[lvs.Owner]bool {
	by := map[lvs.Owner]bool{}
	for _, e := range c.old.order {
		if overlaps(e.ranged, moved) {
			by[e.owner] = true
		}
	}
	for live := range c.registry.leaving {
		for _, l := range live.left {
			if moved.Overlaps(l.Match) {
				by[l.owner] = true
			}
		}
	}
	return by
}

func overlaps(all []lvs.Match, with match.Spans) bool { return slices.ContainsFunc(all, with.Overlaps) }

// ownerAt returns the owner of clients' flows to a destination.
func (n *snapshot) ownerAt(k *packet.Key) (lvs.Owner, bool) {
	if e, ok := n.serviceAt(k.Dst, k.DstPort, k.Protocol); ok {
		return e.owner, true
	}
	return n.leavingAt(k)
}
