package config

import (
	"strings"

	"github.com/BurntSushi/toml"
)

// locate returns the line on which each table, key and array element of a TOML document begins. It
// expects text that the decoder has accepted. On other text it ends too, with what it has found.
func locate(text string) map[place]int {
	l := &locator{text: text, line: 1, lines: map[place]int{root: 1}, tables: map[place]int{}}
	l.document()
	return l.lines
}

func (l *locator) document() {
	l.skip(len(l.text) - len(withoutBOM(l.text)))
	table := root
	for l.blank() {
		start := l.pos
		if l.peek() == '[' {
			table = l.header()
			l.outline.section(start)
		} else {
			l.pair(table)
			l.outline.pair(start, l.pos)
		}
	}
}

// withoutBOM drops the byte order marks that the decoder drops too.
func withoutBOM(text string) string {
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if rest, ok := strings.CutPrefix(text, mark); ok {
			return rest
		}
	}
	return text
}

// locator scans a TOML document once and records the line of every place. It may record its
// outline too.
type locator struct {
	text   string
	pos    int // of the next byte
	line   int // of the next byte
	lines  map[place]int
	tables map[place]int // elements so far of each array of tables

	outline *outline // nil if only the lines are wanted
}

// header reads [a.b] or [[a.b]] and returns the place of the table it opens.
func (l *locator) header() place {
	line, array := l.line, strings.HasPrefix(l.text[l.pos:], "[[")
	l.skip(1)
	if array {
		l.skip(1)
	}
	keys := l.keys()
	for l.more() && l.peek() != '\n' {
		l.skip(1)
	}
	at := root
	for i, key := range keys {
		list := at.key(key)
		at = l.enter(list, line, array && i == len(keys)-1)
		l.outline.through(list, at)
	}
	l.lines[at] = line // a table's own header counts, not the first mention as a parent of others
	return at
}

// enter returns the place of the table at a place. For an array of tables that is its last
// element, or a new one if add is set.
func (l *locator) enter(at place, line int, add bool) place {
	l.first(at, line)
	if add {
		l.tables[at]++
	}
	if n := l.tables[at]; n > 0 {
		at = at.index(n - 1)
		l.first(at, line)
	}
	return at
}

// pair reads key = value in the table at a place.
func (l *locator) pair(at place) {
	line := l.line
	for _, key := range l.keys() {
		at = at.key(key)
		l.first(at, line)
	}
	if !l.more() {
		return
	}
	assigned := l.peek() == '='
	l.skip(1) // also a byte that cannot be a key, so that the scan of bad text ends
	if assigned && l.blank() {
		start := l.pos
		l.value(at)
		l.outline.value(at, span{start, l.pos})
	}
}

// value reads one value and records the places of its parts below at.
func (l *locator) value(at place) {
	switch l.peek() {
	case '"', '\'':
		l.quoted()
	case '[':
		l.array(at)
	case '{':
		l.inlineTable(at)
	default:
		l.bare()
	}
}

func (l *locator) array(at place) {
	l.skip(1)
	for i := 0; l.blank(); {
		switch l.peek() {
		case ']':
			l.skip(1)
			return
		case ',':
			l.skip(1)
		default:
			l.first(at.index(i), l.line)
			l.value(at.index(i))
			i++
		}
	}
}

func (l *locator) inlineTable(at place) {
	l.skip(1)
	for l.blank() {
		switch l.peek() {
		case '}':
			l.skip(1)
			return
		case ',':
			l.skip(1)
		default:
			l.pair(at)
		}
	}
}

// keys reads a dotted key.
func (l *locator) keys() []string {
	var keys []string
	for {
		l.spaces()
		keys = append(keys, l.key())
		l.spaces()
		if !l.more() || l.peek() != '.' {
			return keys
		}
		l.skip(1)
	}
}

// key reads one part of a dotted key.
func (l *locator) key() string {
	if l.more() && strings.IndexByte(`"'`, l.peek()) >= 0 {
		return unquote(l.quoted())
	}
	start := l.pos
	l.until(" \t\r\n.=[]{},#\"'")
	return l.text[start:l.pos]
}

// unquote decodes a quoted key with the TOML decoder, so that both spell the key alike.
func unquote(literal string) string {
	var decoded struct{ Key string }
	if _, err := toml.Decode("Key = "+literal, &decoded); err != nil {
		return literal
	}
	return decoded.Key
}

// first records the line of a place that has none yet.
func (l *locator) first(at place, line int) {
	if _, known := l.lines[at]; !known {
		l.lines[at] = line
	}
}
