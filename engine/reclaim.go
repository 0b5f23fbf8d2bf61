package engine

import (
	"slices"

	"fulcrum/lvs"
	"fulcrum/match"
	"fulcrum/packet"
)

// claim gives the new snapshot what a service claims, and takes from it what it claimed before.
func (c *change) claim(live *liveService, was *Service) {
	before, now := was.claims(), live.settings.claims()
	if slices.Equal(before, now) {
		return
	}
	had, has := setOfMatches(before), setOfMatches(now)
	for _, m := range before {
		if !has[m] {
			c.unclaim(live, m)
		}
	}
	c.forgetLeft(live, func(l leftMatch) bool { return has[l.Match] })
	for _, m := range now {
		if !had[m] {
			c.regain(live, m)
		}
	}
	c.setVIPs(live, before, now)
}

// setVIPs enters a service at the VIPs that its matches have alone, in place of those that it had.
func (c *change) setVIPs(live *liveService, before, now []lvs.Match) {
	had, has := vipsOf(before), vipsOf(now)
	for a := range had {
		c.touched = append(c.touched, a)
		if has[a] {
			continue
		}
		left := slices.DeleteFunc(c.registry.vips[a], func(s *liveService) bool { return s == live })
		if c.registry.vips[a] = left; len(left) == 0 {
			delete(c.registry.vips, a)
		}
		c.setEcho(a)
	}
	for a := range has {
		c.touched = append(c.touched, a)
		if !had[a] {
			c.registry.vips[a] = append(c.registry.vips[a], live)
		}
	}
}

// vipsOf returns the addresses of matches that have one each.
func vipsOf(all []lvs.Match) map[packet.Addr]bool {
	vips := map[packet.Addr]bool{}
	for _, m := range all {
		if m.OneAddress() {
			vips[packet.AddrOf(m.First)] = true
		}
	}
	return vips
}

func setOfMatches(all []lvs.Match) map[lvs.Match]bool {
	set := make(map[lvs.Match]bool, len(all))
	for _, m := range all {
		set[m] = true
	}
	return set
}

// regain notes that a service claims a match which it did not claim before.
func (c *change) regain(live *liveService, m lvs.Match) {
	c.noteMoved(m)
	if !m.Single() {
		c.registry.ranged[live], c.reranged = true, true
	}
}

// unclaim gives a match up. Its sessions, if there can be any, stay with their owners.
func (c *change) unclaim(live *liveService, m lvs.Match) {
	c.noteMoved(m)
	if entry, ok := c.old.serviceOf(live); ok && len(live.servers) > 0 {
		c.leave(live, leftMatch{m, entry.owner, c.now})
	}
	if !m.Single() {
		c.reranged = true
	} else if entry, ok := c.new.services.get(singleKey(m)); ok && entry.live == live {
		c.ownServices(0).remove(singleKey(m))
	}
}

// enter gives the new snapshot a service's entry under every key.
func (c *change) enter(entry *serviceEntry) {
	live := entry.live
	singles := live.settings.singles()
	services := c.ownServices(len(singles) + 1)
	services.set(entryKey(live), entry)
	for _, m := range singles {
		services.set(singleKey(m), entry)
	}
	if c.registry.ranged[live] {
		c.reranged = true
	}
}

// setRanges builds the ranges anew if a service with ranges has changed.
func (c *change) setRanges() {
	if !c.reranged {
		return
	}
	c.changed = true
	next := c.newRanges()
	if before := c.new.ranges; before == nil || next == nil || !before.sameAddresses(next) {
		c.touchVIPs()
	}
	c.new.ranges = next
}

// touchVIPs marks every address whose kind may depend on ranges.
func (c *change) touchVIPs() {
	for a := range c.registry.vips {
		c.touched = append(c.touched, a)
	}
	for a := range c.registry.retired {
		c.touched = append(c.touched, a)
	}
	for _, p := range c.new.topology.settings.ports {
		c.touchPort(p)
	}
}

func (r *ranges) sameAddresses(o *ranges) bool { return r.vips.Equal(o.vips) && r.loud.Equal(o.loud) }

// newRanges returns the ranges of all services, or nil if there are none.
func (c *change) newRanges() *ranges {
	var services []match.Entry[*serviceEntry]
	var answering []match.Entry[*liveService]
	var all, loud []lvs.Match
	for live := range c.registry.ranged {
		entry, ok := c.new.serviceOf(live)
		if !ok || len(entry.ranged) == 0 {
			delete(c.registry.ranged, live)
			continue
		}
		for _, m := range entry.ranged {
			services = append(services, match.Entry[*serviceEntry]{Match: m, Value: entry})
			if m.OneAddress() {
				continue // its address is a VIP like any other
			}
			if all = append(all, m); live.announces() {
				loud = append(loud, m)
			}
			if entry.echo {
				answering = append(answering, match.Entry[*liveService]{Match: m, Value: live})
			}
		}
	}
	leaving := c.registry.leavingRanges()
	if len(services) == 0 && len(leaving) == 0 {
		return nil
	}
	return &ranges{
		services: match.New(services), leaving: match.New(leaving), answering: match.New(answering),
		vips: match.SpansOf(all), loud: match.SpansOf(loud),
	}
}
