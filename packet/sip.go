package packet

import "bytes"

// MaxCallID is the length of the longest Call-ID that counts, in bytes (IPVS's
// IP_VS_PEDATA_MAXLEN).
const MaxCallID = 255

// CallID returns the Call-ID of a SIP message (RFC 3261, 20.8): the value of the first header of
// that name or of its compact form i, without the white space around it. Lines end with CR, LF or
// both, as RFC 2543 had it. ok is false without such a header, and if it is empty, longer than
// MaxCallID, or cut off before the end of its line. It takes time in proportion to the message.
func CallID(message []byte) (id []byte, ok bool) {
	line, rest, ended := cutLine(message)
	for ended && len(line) == 0 { // in front of the start line
		line, rest, ended = cutLine(rest)
	}
	for ended {
		if line, rest, ended = cutLine(rest); len(line) == 0 {
			return nil, false // the body follows
		}
		if value, is := callIDHeader(line); is {
			for len(value) == 0 && ended && isFolded(rest) {
				line, rest, ended = cutLine(rest)
				value = bytes.Trim(line, blanks)
			}
			return value, ended && len(value) > 0 && len(value) <= MaxCallID
		}
	}
	return nil, false
}

const blanks = " \t"

// isFolded reports whether a header goes on in the line that follows (RFC 3261, 7.3.1).
func isFolded(next []byte) bool { return len(next) > 0 && (next[0] == ' ' || next[0] == '\t') }

// cutLine returns the first line without its end, and what follows. ended is false if b ends first.
func cutLine(b []byte) (line, rest []byte, ended bool) {
	for i, c := range b {
		if c != '\r' && c != '\n' {
			continue
		}
		rest = b[i+1:]
		if c == '\r' && len(rest) > 0 && rest[0] == '\n' {
			rest = rest[1:]
		}
		return b[:i], rest, true
	}
	return b, nil, false
}

// callIDHeader returns the value of a line that is a Call-ID header.
func callIDHeader(line []byte) (value []byte, is bool) {
	name, value, found := bytes.Cut(line, []byte{':'})
	name = bytes.TrimRight(name, blanks)
	switch len(name) {
	case len("i"):
		is = name[0]|0x20 == 'i'
	case len("Call-ID"):
		is = bytes.EqualFold(name, []byte("Call-ID"))
	}
	return bytes.Trim(value, blanks), found && is
}
