package config

import (
	"slices"
	"strings"
)

// spot is where a table may be inserted.
type spot struct {
	known  bool
	at     int  // the begin of a line, or the document's end
	before bool // the table's own lines are followed, not preceded, by an empty one
	close  bool // no empty line separates the table from its neighbour
	indent string
}

// spot returns where to insert a table of a group: after the tables that come before it in a
// rendered file, after the header of the table around it, or before those that come after it.
func (e *editor) spot(at place, groups []group, i int, otherwise spot) spot {
	for _, g := range slices.Backward(groups[:i+1]) {
		if all := e.below[at.key(g.key())]; len(all) > 0 {
			return spot{known: true, at: all[len(all)-1].end}
		}
	}
	if own := e.own[at]; own != nil {
		s := spot{known: true, at: own.end, indent: e.indent(own)}
		if groups[i].array {
			s.indent += "  "
		}
		return s
	}
	for _, g := range groups[i+1:] {
		if list := at.key(g.key()); len(e.below[list]) > 0 {
			return spot{known: true, at: e.below[list][0].start, before: true}
		}
	}
	return otherwise
}

// atEnd is the spot behind everything.
func (e *editor) atEnd() spot {
	return spot{known: true, at: e.sections[len(e.sections)-1].end}
}

// before and after return the spots next to an element of an array, in its style. They are unknown
// if the element is no table with a header.
func (e *editor) before(at place) spot {
	all := e.below[at]
	if len(all) == 0 {
		return spot{}
	}
	s := e.after(at)
	s.at, s.before = all[0].start, true
	return s
}

func (e *editor) after(at place) spot {
	all := e.below[at]
	if len(all) == 0 {
		return spot{}
	}
	return spot{
		known: true, at: all[len(all)-1].end, close: !e.separate(all[0]), indent: e.indent(all[0]),
	}
}

// add inserts a new table of a group.
func (e *editor) add(where spot, g group, b block) {
	var text strings.Builder
	b.render(&text, g, where.indent)
	e.put(where, text.String())
}

// put inserts a table's lines. Without a spot, or lines, the check of the result will fail.
func (e *editor) put(where spot, lines string) {
	switch followed := !isBlank(e.text[where.at:e.lineEnd(where.at)]); {
	case !where.known || lines == "":
		return
	case where.close:
	case where.before:
		lines += "\n"
	case followed:
		lines = "\n" + lines + "\n"
	default:
		lines = "\n" + lines
	}
	e.insert(where.at, lines)
}

// setValue replaces a value. A comment behind it stays in its column if there is room.
func (e *editor) setValue(old span, text string) {
	rest := e.text[old.end:e.lineEnd(old.end)]
	gap := len(rest) - len(strings.TrimLeft(rest, " "))
	oneLine := !strings.Contains(e.text[old.start:old.end], "\n")
	if oneLine && gap > 0 && isComment(rest) {
		text += strings.Repeat(" ", max(1, old.end-old.start+gap-len(text)))
		old.end += gap
	}
	e.replace(old, text)
}

// removeKey removes the lines of a key with a value. It can only be one on lines of its own.
func (e *editor) removeKey(at place, old span) {
	own := e.own[at]
	if own == nil {
		return
	}
	for _, p := range own.pairs {
		if p.value == old.start {
			e.replace(p.lines, "")
		}
	}
}

// addKeys adds keys to a table, below those that it has, with the same indentation and spacing.
func (e *editor) addKeys(s *section, missing []setting) {
	var lines strings.Builder
	form := e.form(s)
	for _, m := range missing {
		lines.WriteString(form.indent + m.key)
		if n := form.width - len(m.key); n > 0 {
			lines.WriteString(strings.Repeat(" ", n))
		}
		lines.WriteString(form.assign + m.value + "\n")
	}
	if len(missing) > 0 {
		e.insert(s.content(), lines.String())
	}
}

// form is how a table writes its keys.
type form struct {
	indent string
	width  int    // of the keys, if their values are in one column
	assign string // between key and value
}

// form returns the form of the keys of a section, or else that of a rendered one.
func (e *editor) form(s *section) form {
	f := form{indent: e.indent(s), assign: " = "}
	wide, narrow := 0, len(e.text)
	for _, p := range s.pairs {
		f.indent = strings.TrimRight(e.text[p.lines.start:p.key], "\r\n")
		if f.assign = " = "; !e.spaced(p) {
			f.assign = "="
		}
		wide, narrow = max(wide, p.assign-p.key), min(narrow, p.assign-p.key)
	}
	if wide == narrow && e.aligned {
		f.width = wide - len(f.assign)/2
	}
	return f
}

// spaced reports whether white space is before the equals sign of a key.
func (e *editor) spaced(p pair) bool { return strings.IndexByte(" \t", e.text[p.assign-1]) >= 0 }
