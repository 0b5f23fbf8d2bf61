package control

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"fulcrum/config"
)

// compareNetwork notes what differs around the services: the ports' addresses, routes and neighbours.
func (p *planner) compareNetwork() {
	for i := range min(len(p.old.Ports), len(p.next.Ports)) { // another number of ports needs a restart
		old, next := p.old.Ports[i], p.next.Ports[i]
		if !slices.Equal(old.Addresses, next.Addresses) {
			p.alter("port "+next.Name, fmt.Sprintf("addresses %s -> %s", addressList[netip.Prefix](old.Addresses), addressList[netip.Prefix](next.Addresses)))
		}
	}
	p.compareEntries("route", routesOf(p.old), routesOf(p.next))
	p.compareEntries("neighbour", neighboursOf(p.old), neighboursOf(p.next))
}

func (p *planner) alter(object, detail string) {
	p.Changes = append(p.Changes, Change{Action: Alter, Object: object, Detail: detail})
}

// entry is a line of a table that has one for each key.
type entry struct{ key, value string }

func routesOf(c *config.Config) (all []entry) {
	for _, r := range c.Routes {
		all = append(all, entry{r.To.String(), "via " + r.Via.String()})
	}
	return all
}

func neighboursOf(c *config.Config) (all []entry) {
	for _, n := range c.Neighbours {
		all = append(all, entry{n.Address.String(), "at " + n.MAC.String()})
	}
	return all
}

// compareEntries compares tables, whose order means nothing.
func (p *planner) compareEntries(kind string, old, next []entry) {
	before, after := valuesOf(old), valuesOf(next)
	for _, e := range old {
		if _, stays := after[e.key]; !stays {
			p.Changes = append(p.Changes, Change{Action: Remove, Object: kind + " " + e.key, Detail: e.value})
		}
	}
	for _, e := range next {
		switch was, known := before[e.key]; {
		case !known:
			p.Changes = append(p.Changes, Change{Action: Add, Object: kind + " " + e.key, Detail: e.value})
		case was != e.value:
			p.alter(kind+" "+e.key, was+" -> "+e.value)
		}
	}
}

// valuesOf finds an entry's value by its key, however many entries there are.
func valuesOf(all []entry) map[string]string {
	values := make(map[string]string, len(all))
	for _, e := range all {
		values[e.key] = e.value
	}
	return values
}

// mostListed bounds how many addresses a plan names: a subnet of local addresses has thousands.
const mostListed = 4

// addressList is shown by its first addresses, and by how many more there are.
type addressList[T netip.Addr | netip.Prefix] []T

func (l addressList[T]) String() string {
	var named []string
	for _, a := range l[:min(len(l), mostListed)] {
		named = append(named, fmt.Sprint(a))
	}
	text := strings.Join(named, ", ")
	if more := len(l) - mostListed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
