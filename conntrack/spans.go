package conntrack

// Piece is the part of its datagram that a fragment holds.
type Piece struct {
	Offset uint16 // bytes, a multiple of 8
	Length uint16 // bytes after the header
	More   bool   // more fragments follow: it is not the last
}

// maxDatagram is the greatest length of a datagram, in bytes.
const maxDatagram = 1<<16 - 1

// fault returns why the fragment cannot belong to any datagram, or FragmentForwarded.
func (p Piece) fault() FragmentVerdict {
	switch {
	case p.Length == 0 || p.Offset%8 != 0 || p.More && p.Length%8 != 0:
		return FragmentMalformed
	case int(p.Offset)+int(p.Length) > maxDatagram:
		return FragmentTooLong
	}
	return FragmentForwarded
}

// maxSpans bounds the number of contiguous spans that are tracked. Fragments in order make one,
// fragments in reverse order too.
const maxSpans = 15

// coverage is the bytes of a datagram that have been seen.
type coverage struct {
	size  uint16 // of the datagram; 0 before the last fragment
	n     uint8
	spans [maxSpans]span // in order, with a gap after each
}

// span is the bytes from start up to end, end excluded.
type span struct{ start, end uint16 }

// add records a fragment's bytes and returns FragmentForwarded, or returns why it does not.
func (c *coverage) add(p Piece) FragmentVerdict {
	s := span{p.Offset, p.Offset + p.Length}
	i := c.after(s.start)
	if verdict := c.overlap(i, s); verdict != FragmentForwarded {
		return verdict
	}
	if c.pastEnd(s, p.More) {
		return FragmentOverlap
	}
	if !c.join(i, s) {
		return FragmentScattered
	}
	if !p.More {
		c.size = s.end
	}
	return FragmentForwarded
}

// after returns the index of the first span that ends after the byte start.
func (c *coverage) after(start uint16) int {
	i := 0
	for i < int(c.n) && c.spans[i].end <= start {
		i++
	}
	return i
}

// overlap compares s with span i, the first that it could overlap.
func (c *coverage) overlap(i int, s span) FragmentVerdict {
	switch {
	case i == int(c.n) || s.end <= c.spans[i].start:
		return FragmentForwarded
	case c.spans[i].start <= s.start && s.end <= c.spans[i].end:
		return FragmentDuplicate
	}
	return FragmentOverlap
}

// pastEnd reports whether s contradicts the datagram's end: it gives a second end, or bytes lie
// after the end.
func (c *coverage) pastEnd(s span, more bool) bool {
	if c.size != 0 && (s.end > c.size || !more) {
		return true
	}
	return !more && c.n > 0 && c.spans[c.n-1].end > s.end
}

// join adds s before span i and merges it with the spans it touches. It returns false if all
// maxSpans are taken.
func (c *coverage) join(i int, s span) bool {
	left := i > 0 && c.spans[i-1].end == s.start
	right := i < int(c.n) && c.spans[i].start == s.end
	switch {
	case left && right:
		c.spans[i-1].end = c.spans[i].end
		copy(c.spans[i:c.n], c.spans[i+1:c.n])
		c.n--
	case left:
		c.spans[i-1].end = s.end
	case right:
		c.spans[i].start = s.start
	case c.n == maxSpans:
		return false
	default:
		c.n++
		copy(c.spans[i+1:c.n], c.spans[i:c.n-1])
		c.spans[i] = s
	}
	return true
}

// complete reports whether every byte of the datagram has been seen.
func (c *coverage) complete() bool {
	return c.size != 0 && c.n == 1 && c.spans[0] == span{0, c.size}
}
