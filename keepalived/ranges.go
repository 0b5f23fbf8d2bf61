package keepalived

import (
	"slices"

	"fulcrum/lvs"
)

// ask is a target of a virtual server. IPVS has a service for each of its addresses. Here a range
// is one service, unless that would mean something else.
type ask struct {
	s      *service
	target target
	// rivals tells that other targets have some of its addresses, so that in IPVS the first virtual
	// server, and here the narrowest one, would get them.
	rivals bool
}

// competition is where targets can have the same destinations.
type competition struct {
	lvs.Protocol
	lvs.Ports
}

// findRivals compares all targets of addresses. A protocol with a target of all ports is one
// competition, so that some ranges are written out without need.
func (i *importer) findRivals() {
	everyPort := map[lvs.Protocol]bool{}
	for _, a := range i.asks {
		if a.target.Ports == lvs.AllPorts {
			everyPort[a.s.Protocol] = true
		}
	}
	all := map[competition][]*ask{}
	for _, a := range i.asks {
		if a.target.marked() {
			continue
		}
		c := competition{a.s.Protocol, a.target.Ports}
		if everyPort[a.s.Protocol] {
			c.Ports = lvs.AllPorts
		}
		all[c] = append(all[c], a)
	}
	for _, asks := range all {
		markRivals(asks)
	}
}

// markRivals marks the targets of a competition that overlap, also by way of others, unless they
// are alike and all remain ranges.
func markRivals(asks []*ask) {
	slices.SortFunc(asks, func(a, b *ask) int { return a.target.First.Compare(b.target.First) })
	for from, to := 0, 0; from < len(asks); from = to {
		first, last, alike := asks[from].target, asks[from].target.Last, true
		for to = from; to < len(asks) && !last.Less(asks[to].target.First); to++ {
			t := asks[to].target
			alike = alike && t.First == first.First && t.Last == first.Last && !asks[to].s.limited()
			if last.Less(t.Last) {
				last = t.Last
			}
		}
		for _, a := range asks[from:to] {
			a.rivals = !alike
		}
	}
}

// apart returns why a range has to be written out, or "".
func (a *ask) apart() string {
	switch {
	case a.s.limited():
		return "uthreshold holds for each of them"
	case a.rivals:
		return "other virtual servers have some of them"
	}
	return ""
}

// limited reports whether a real server has a threshold, which holds for each service.
func (s *service) limited() bool {
	return slices.ContainsFunc(s.servers, func(rs server) bool { return rs.UpperThreshold > 0 })
}

// parts returns the targets of the services that an ask becomes.
func (i *importer) parts(a *ask) (all []target) {
	why := a.apart()
	if a.target.marked() || a.target.First == a.target.Last || why == "" {
		return []target{a.target}
	}
	addresses, err := upTo(a.target.First, a.target.Last)
	if err != nil {
		i.Wrong(a.s.place, "%s-%s: %v; %s", a.target.First, a.target.Last, err, why)
	}
	for _, address := range addresses {
		part := a.target
		part.First, part.Last = address, address
		all = append(all, part)
	}
	return all
}

// serveAll makes the services of all virtual servers.
func (i *importer) serveAll() {
	i.findRivals()
	for _, a := range i.asks {
		for _, t := range i.parts(a) {
			c := t.service(a.s)
			if !i.count(a.s, c.Address) {
				return
			}
			i.add(a.s, c)
		}
	}
}

// ask records the targets of a virtual server.
func (i *importer) ask(s *service) {
	if len(i.asks)+len(s.targets) > maxServices {
		i.Wrong(s.place, "more than %d services", maxServices)
		return
	}
	for _, t := range s.targets {
		i.asks = append(i.asks, &ask{s: s, target: t})
	}
}
