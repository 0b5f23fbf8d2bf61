package config

import "strings"

// more reports whether any text is left.
func (l *locator) more() bool { return l.pos < len(l.text) }

// peek returns the next byte. The caller has checked more.
func (l *locator) peek() byte { return l.text[l.pos] }

// skip passes over n bytes, or over the rest of the text if it is shorter.
func (l *locator) skip(n int) {
	end := min(l.pos+n, len(l.text))
	l.line += strings.Count(l.text[l.pos:end], "\n")
	l.pos = end
}

// until passes over everything before the first stop byte.
func (l *locator) until(stops string) {
	n := strings.IndexAny(l.text[l.pos:], stops)
	if n < 0 {
		n = len(l.text) - l.pos
	}
	l.skip(n)
}

// spaces passes over white space within a line.
func (l *locator) spaces() {
	for l.more() && strings.IndexByte(" \t", l.peek()) >= 0 {
		l.skip(1)
	}
}

// blank passes over white space, line ends and comments. It reports whether anything follows.
func (l *locator) blank() bool {
	for l.more() {
		switch l.peek() {
		case ' ', '\t', '\r', '\n':
			l.skip(1)
		case '#':
			l.until("\n")
		default:
			return true
		}
	}
	return false
}

// bare passes over a number, a boolean or a date. It consumes at least one byte.
func (l *locator) bare() {
	l.skip(1)
	l.until(",]}#\n")
}

// quoted passes over a string of any of TOML's four kinds and returns it with its quotes.
func (l *locator) quoted() string {
	start, quote := l.pos, l.text[l.pos:l.pos+1]
	end := quote
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(l.text[l.pos:], triple) {
		end = triple
	}
	l.skip(len(end))
	for l.more() && !strings.HasPrefix(l.text[l.pos:], end) {
		if quote == `"` && l.peek() == '\\' {
			l.skip(1)
		}
		l.skip(1)
	}
	l.skip(len(end))
	for n := 0; len(end) == 3 && n < 2 && strings.HasPrefix(l.text[l.pos:], quote); n++ {
		l.skip(1) // up to two quotes before the closing three belong to the string
	}
	return l.text[start:l.pos]
}
