package control

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"fulcrum/config"
)

// compareNetwork notes what differs around the services: ports, routes, neighbours and marks.
func (p *planner) compareNetwork() {
	if len(p.old.Ports) != len(p.next.Ports) {
		p.Restart = append(p.Restart, "the number of ports")
	}
	for i := range min(len(p.old.Ports), len(p.next.Ports)) {
		p.comparePort(&p.old.Ports[i], &p.next.Ports[i])
	}
	compareEntries(p, routesOf(p.next.Ports), p.old.Routes, p.next.Routes)
	compareEntries(p, neighboursOf(p.next.Ports), p.old.Neighbours, p.next.Neighbours)
	compareEntries(p, marksOf(), p.old.Marks, p.next.Marks)
}

func (p *planner) comparePort(old, next *config.Port) {
	p.note(portFields.differences(old, next), "port "+old.Name+": ", func(d difference) Change {
		return Change{Action: Alter, Object: "port " + next.Name, Detail: d.String()}
	})
}

// entries describes a list of the configuration whose order means nothing.
type entries[T any] struct {
	kind   string // what a plan calls an entry
	fields fields[T]
	key    func(*T) string   // what makes an entry the same one in another configuration
	value  func(*T) string   // what a plan shows of an entry that is added or removed
	words  map[string]string // what a plan calls a field, where it does not use the file's key
	ports  []config.Port
	// ported reports whether an entry's port does not follow from its other fields.
	ported func(*T) bool
}

// routesOf describes routes by ports with these names, which do not change while the director runs.
func routesOf(ports []config.Port) entries[config.Route] {
	return entries[config.Route]{
		kind: "route", fields: routeFields, ports: ports, ported: (*config.Route).LinkLocal,
		key: func(r *config.Route) string { return r.To.String() },
		value: func(r *config.Route) string {
			return "via " + r.Via.String() + onPort(ports, r.Port, r.LinkLocal())
		},
	}
}

// neighboursOf describes neighbours on ports with these names.
func neighboursOf(ports []config.Port) entries[config.Neighbour] {
	return entries[config.Neighbour]{
		kind: "neighbour", fields: neighbourFields, ports: ports,
		ported: func(*config.Neighbour) bool { return false }, // its key has it
		key: func(n *config.Neighbour) string {
			return n.Address.String() + onPort(ports, n.Port, n.LinkLocal())
		},
		value: func(n *config.Neighbour) string { return "at " + n.MAC.String() },
		words: map[string]string{"mac": "at"},
	}
}

// marksOf describes marks.
func marksOf() entries[config.Mark] {
	return entries[config.Mark]{
		kind: "mark", fields: markFields, ported: func(*config.Mark) bool { return false },
		key:   func(m *config.Mark) string { return strconv.FormatUint(uint64(m.Number), 10) },
		value: func(m *config.Mark) string { return strings.Join(destinations(m.Match), ", ") },
	}
}

// onPort names the port of a next hop that is link-local.
func onPort(ports []config.Port, index int, linkLocal bool) string {
	if !linkLocal {
		return ""
	}
	return " on port " + portName(ports, index)
}

// portName returns the name of a port. One that was removed, which needs a restart, has none.
func portName(ports []config.Port, index int) string {
	if index >= len(ports) {
		return strconv.Itoa(index)
	}
	return ports[index].Name
}

// compareEntries notes what was removed from a list, changed in it and added to it.
func compareEntries[T any](p *planner, kind entries[T], old, next []T) {
	before, after := kind.byKey(old), kind.byKey(next)
	for i := range old {
		if after[kind.key(&old[i])] == nil {
			p.Changes = append(p.Changes, kind.change(Remove, &old[i]))
		}
	}
	for i := range next {
		if was := before[kind.key(&next[i])]; was != nil {
			kind.compare(p, was, &next[i])
		} else {
			p.Changes = append(p.Changes, kind.change(Add, &next[i]))
		}
	}
}

// byKey finds entries by their keys, however many there are.
func (e entries[T]) byKey(list []T) map[string]*T {
	found := make(map[string]*T, len(list))
	for i := range list {
		found[e.key(&list[i])] = &list[i]
	}
	return found
}

// change returns what a plan says of an entry that comes or goes.
func (e entries[T]) change(a Action, entry *T) Change {
	return Change{Action: a, Object: e.kind + " " + e.key(entry), Detail: e.value(entry)}
}

// compare notes what differs in an entry that both configurations have.
func (e entries[T]) compare(p *planner, old, next *T) {
	object := e.kind + " " + e.key(next)
	p.note(e.differences(old, next), object+": ", func(d difference) Change {
		word := cmp.Or(e.words[d.key], d.key)
		detail := fmt.Sprintf("%s %v -> %s %v", word, shown(d.old), word, shown(d.next))
		return Change{Action: Alter, Object: object, Detail: detail}
	})
}

// differences returns the fields that differ. The port is shown by its name, and only if it does
// not follow from the other fields.
func (e entries[T]) differences(old, next *T) []difference {
	all := e.fields.differences(old, next)
	for i, d := range all {
		if d.key != "port" {
			continue
		}
		if !e.ported(next) {
			return slices.Delete(all, i, i+1)
		}
		all[i].old, all[i].next = portName(e.ports, d.old.(int)), portName(e.ports, d.next.(int))
	}
	return all
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
