package config

import "strings"

// outline is a document as the pieces that can be edited. Offsets are in bytes. The methods that
// record do nothing for a nil outline: a scan for the lines alone has none.
type outline struct {
	text     string
	places   map[place]int        // the lines of all tables, keys and elements
	values   map[place]span       // of every key, also of those in inline tables
	sections []*section           // in file order; the first has no header
	own      map[place]*section   // with the header of the table at a place
	below    map[place][]*section // at a place and below it, in file order

	aligned bool // keys are filled up with spaces, to have their values in one column

	path   []place // that the header which is being read leads through
	latest span    // the value that was read last
}

// span is the bytes from start to before end.
type span struct{ start, end int }

// section is a table's header with what belongs to it, up to the next section.
type section struct {
	index  int
	start  int  // of the comment directly above the header, or of the header's line
	header span // its line
	pairs  []pair
	end    int // after the last key's line and the comment directly below it
}

// pair is key = value on lines of its own.
type pair struct {
	lines              span
	key, assign, value int // where the key, its equals sign and the value begin
}

// outlineOf returns the outline of text that the decoder has accepted.
func outlineOf(text string) *outline {
	o := &outline{text: text, places: map[place]int{}, values: map[place]span{},
		own: map[place]*section{}, below: map[place][]*section{}}
	first := len(text) - len(withoutBOM(text))
	o.sections = []*section{{start: first, header: span{first, first}}}
	l := &locator{text: text, line: 1, lines: o.places, tables: map[place]int{}, outline: o}
	l.document()
	for i, s := range o.sections {
		limit := len(text)
		if i+1 < len(o.sections) {
			limit = o.sections[i+1].start
		}
		s.end = o.commentsBelow(s.content(), limit)
	}
	return o
}

// through records that a header leads through a list, or a table, to a place.
func (o *outline) through(list, at place) {
	if o == nil {
		return
	}
	if o.path = append(o.path, list); at != list {
		o.path = append(o.path, at)
	}
}

// section records a section whose header begins at an offset.
func (o *outline) section(header int) {
	if o == nil {
		return
	}
	before := o.sections[len(o.sections)-1].content()
	s := &section{index: len(o.sections), header: o.lines(span{header, header}, before)}
	s.start = o.commentsAbove(s.header.start, before)
	o.sections = append(o.sections, s)
	for _, at := range o.path {
		o.below[at] = append(o.below[at], s)
	}
	o.own[o.path[len(o.path)-1]] = s
	o.path = o.path[:0]
}

// value records the value of a key. The scan of a bare one ends after the white space behind it.
func (o *outline) value(at place, v span) {
	if o == nil {
		return
	}
	v.end = v.start + len(strings.TrimRight(o.text[v.start:v.end], " \t\r\n"))
	o.values[at], o.latest = v, v
}

// pair records a key on its own lines. Its value is the latest: what is in it was read before.
func (o *outline) pair(start, end int) {
	if o == nil {
		return
	}
	s := o.sections[len(o.sections)-1]
	lines := o.lines(span{start, end}, s.content())
	assign := strings.LastIndexByte(o.text[:o.latest.start], '=')
	s.pairs = append(s.pairs, pair{lines, start, assign, o.latest.start})
	o.aligned = o.aligned || strings.HasSuffix(o.text[start:assign], "  ")
}

// content returns the end of a section's last line that is no comment.
func (s *section) content() int {
	if len(s.pairs) > 0 {
		return s.pairs[len(s.pairs)-1].lines.end
	}
	return s.header.end
}

// lines widens a span to whole lines that begin at or after an offset.
func (o *outline) lines(s span, from int) span {
	return span{max(from, o.lineStart(s.start)), o.lineEnd(s.end)}
}

// lineStart returns where the line of an offset begins.
func (o *outline) lineStart(at int) int { return strings.LastIndexByte(o.text[:at], '\n') + 1 }

// lineEnd returns the offset after the line of an offset.
func (o *outline) lineEnd(at int) int {
	if n := strings.IndexByte(o.text[at:], '\n'); n >= 0 {
		return at + n + 1
	}
	return len(o.text)
}

// commentsAbove returns where the comment begins that ends directly at an offset.
func (o *outline) commentsAbove(at, limit int) int {
	for at > limit {
		line := max(limit, o.lineStart(at-1))
		if !isComment(o.text[line:at]) {
			break
		}
		at = line
	}
	return at
}

// commentsBelow returns where the comment ends that begins directly at an offset.
func (o *outline) commentsBelow(at, limit int) int {
	for at < limit && isComment(o.text[at:o.lineEnd(at)]) {
		at = o.lineEnd(at)
	}
	return at
}

// blanksBelow returns where the empty lines end that begin at an offset.
func (o *outline) blanksBelow(at int) int {
	for at < len(o.text) && isBlank(o.text[at:o.lineEnd(at)]) {
		at = o.lineEnd(at)
	}
	return at
}

// separate reports whether an empty line, or nothing, is above a section.
func (o *outline) separate(s *section) bool {
	return s.start <= o.sections[0].start || isBlank(o.text[o.lineStart(s.start-1):s.start])
}

// defined reports whether the document has something at a place, if only by a dotted key. TOML has
// no header for such a table.
func (o *outline) defined(at place) bool { return o.places[at] > 0 }

// indent returns the white space before a section's header.
func (o *outline) indent(s *section) string {
	header := o.text[s.header.start:s.header.end]
	return header[:len(header)-len(strings.TrimLeft(header, " \t"))]
}

func isComment(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " \t"), "#") }

func isBlank(line string) bool { return strings.TrimSpace(line) == "" }
