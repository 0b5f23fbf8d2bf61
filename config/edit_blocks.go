package config

import (
	"reflect"
	"slices"
	"strings"
)

// change changes the tables of groups below a place from base to next. Where says where to put a
// table whose neighbours in a rendered file are not in the document.
func (e *editor) change(at place, base, next []group, where spot) {
	for i, g := range next {
		list, where := at.key(g.key()), e.spot(at, next, i, where)
		if g.array {
			e.array(list, base[i], g, where)
		} else {
			e.table(list, base[i].blocks[0], g, where)
		}
	}
}

// table changes the one table of a group. A table that has lost all of its keys is removed.
func (e *editor) table(at place, base block, g group, where spot) {
	next := g.blocks[0]
	if e.own[at] != nil && !base.void() && next.void() {
		e.remove(at)
		return
	}
	missing := e.settings(at, base.settings, next.settings)
	switch own := e.own[at]; {
	case len(missing) == 0:
	case own != nil:
		e.addKeys(own, missing)
	case len(e.below[at]) > 0:
		e.add(e.before(at), g, block{settings: missing})
	case !e.defined(at):
		e.add(where, g, block{settings: missing})
	}
	e.change(at, base.groups, next.groups, where)
}

// void reports whether no key of the table can be in a file.
func (b block) void() bool {
	return !slices.ContainsFunc(b.settings, func(s setting) bool { return s.value != "" })
}

// array changes the elements of an array of tables. An element whose order among the others has
// changed is removed and added again.
func (e *editor) array(at place, base, next group, where spot) {
	known := map[string]int{}
	for i, b := range base.blocks {
		known[b.id] = i
	}
	stays := make([]bool, len(base.blocks))
	if len(base.blocks) > 0 {
		where = e.before(at.index(0))
	}
	reached := 0
	for _, b := range next.blocks {
		i, is := known[b.id]
		switch {
		case is && i >= reached:
			e.element(at.index(i), base.blocks[i], b)
			stays[i], reached, where = true, i+1, e.after(at.index(i))
		case is && reflect.DeepEqual(base.blocks[i], b):
			e.put(where, e.copyOf(at.index(i)))
		default:
			e.add(where, next, b)
		}
	}
	for i, stays := range stays {
		if !stays {
			e.remove(at.index(i))
		}
	}
}

// element changes an element of an array of tables.
func (e *editor) element(at place, base, next block) {
	missing := e.settings(at, base.settings, next.settings)
	if own := e.own[at]; own != nil {
		e.addKeys(own, missing)
	}
	e.change(at, base.groups, next.groups, spot{})
}

// settings changes the keys of a table, and returns those that the document lacks. Both lists have
// the same keys.
func (e *editor) settings(at place, base, next []setting) (missing []setting) {
	for i, s := range next {
		old, given := e.values[at.key(s.key)]
		switch same := s.value == base[i].value; {
		case !given && s.needed && !(same && base[i].needed):
			missing = append(missing, s)
		case !given || same:
		case s.value == "":
			e.removeKey(at, old)
		default:
			e.setValue(old, s.value)
		}
	}
	return missing
}

// remove removes the sections of a table, and the empty lines below them.
func (e *editor) remove(at place) {
	all := e.below[at]
	for i := 0; i < len(all); {
		first := i
		for i++; i < len(all) && all[i].index == all[i-1].index+1; i++ {
		}
		e.replace(span{all[first].start, e.blanksBelow(all[i-1].end)}, "")
	}
}

// copyOf returns the lines of a table, or nothing if other tables are between them.
func (e *editor) copyOf(at place) string {
	all := e.below[at]
	if len(all) == 0 || all[len(all)-1].index-all[0].index != len(all)-1 {
		return ""
	}
	return strings.TrimRight(e.text[all[0].start:all[len(all)-1].end], "\r\n") + "\n"
}
