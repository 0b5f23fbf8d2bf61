package keepalived

import (
	"regexp"
	"strings"
)

// definition is the text that replaces $NAME.
type definition struct {
	name  string
	lines []string // without comments and empty lines
	used  bool
	at    place
}

// add adds a line, unless it is empty.
func (d *definition) add(text string) {
	if text = strings.TrimSpace(text); text != "" {
		d.lines = append(d.lines, text)
	}
}

func (d *definition) text() string { return strings.Join(d.lines, "\n") }

var (
	defines = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_]*)=[ \t]*(.*)$`)
	// uses matches ${NAME} anywhere, and $NAME at the end of a word.
	uses = regexp.MustCompile(`\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|` +
		`([A-Za-z_][A-Za-z0-9_]*)(?:[ \t,)]|$))`)
	// unfilled matches undefined names, and names that keepalived replaces when it starts, such as
	// ${_ENV NAME}.
	unfilled = regexp.MustCompile(`\$(\{[^}]*\}|[A-Za-z_][A-Za-z0-9_]*)`)
)

// define takes a line that is a definition. It is false for other lines.
func (r *reader) define(l line) bool {
	match := defines.FindStringSubmatch(l.text)
	if match == nil {
		return false
	}
	first, long := strings.CutSuffix(match[2], `\`)
	d := &definition{name: match[1], at: l.place}
	d.add(first)
	r.definitions[d.name] = d
	if long {
		r.defining, r.long = d, append(r.long, d)
	}
	return true
}

// goOn takes a continuation line of a definition. Empty lines do not end it.
func (r *reader) goOn(text string) {
	if text == "" {
		return
	}
	text, more := strings.CutSuffix(text, `\`)
	if r.defining.add(text); !more {
		r.defining = nil
	}
}

// fillIn replaces the definitions in a line. It keeps a line without any. It takes the lines of the
// replacement again, since they may contain includes and definitions.
func (r *reader) fillIn(l line, depth int) {
	text, changed := r.filledIn(l.text)
	switch {
	case !changed:
		l.text = strings.TrimSpace(strings.TrimSuffix(l.text, `\`))
		r.lines = append(r.lines, l)
		return
	case depth == maxDepth || len(text) > maxLine:
		r.Wrong(l.place, "definitions use each other, or expand to a line of more than %d MiB",
			maxLine>>20)
		return
	}
	for part := range strings.SplitSeq(text, "\n") {
		r.take(line{l.place, part}, depth+1)
	}
}

// filledIn replaces the definitions in a line once. Undefined names stay.
func (r *reader) filledIn(text string) (string, bool) {
	var filled strings.Builder
	changed, from := false, 0
	for _, m := range uses.FindAllStringSubmatchIndex(text, -1) {
		name, end := 2, m[1] // ${NAME}
		if m[name] < 0 {
			name, end = 4, m[5] // $NAME
		}
		d := r.definitions[text[m[name]:m[name+1]]]
		if d == nil || filled.Len() > maxLine {
			continue
		}
		filled.WriteString(text[from:m[0]])
		filled.WriteString(d.text())
		d.used, changed, from = true, true, end
	}
	filled.WriteString(text[from:])
	return filled.String(), changed
}

// leaveUnused notes unused definitions of several lines: an extra \ turns configuration into a
// definition.
func (r *reader) leaveUnused() {
	for _, d := range r.long {
		if !d.used {
			r.Leave(d.at, "$"+d.name, "is defined but not used")
		}
	}
}
