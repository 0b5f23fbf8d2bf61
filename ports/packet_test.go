package ports

import "testing"

// TestPrepend checks that the front of a packet moves within its headroom only.
func TestPrepend(t *testing.T) {
	for _, c := range []struct {
		name           string
		n              int
		ok             bool
		offset, length uint16
	}{
		{"nothing", 0, true, 128, 60},
		{"a tunnel header", 20, true, 108, 80},
		{"all of the headroom", 128, true, 0, 188},
		{"one byte more", 129, false, 128, 60},
		{"more than 16 bits", 1<<16 + 1, false, 128, 60},
	} {
		p := Packet{Offset: 128, Length: 60, BufferLen: 2304}
		if ok := p.Prepend(c.n); ok != c.ok || p.Offset != c.offset || p.Length != c.length {
			t.Errorf("%s: %v, offset %d, length %d; want %v, %d, %d",
				c.name, ok, p.Offset, p.Length, c.ok, c.offset, c.length)
		}
	}
}

func TestTrimFront(t *testing.T) {
	p := Packet{Offset: 128, Length: 60, BufferLen: 2304}
	p.TrimFront(14)
	if p.Offset != 142 || p.Length != 46 {
		t.Errorf("offset %d, length %d", p.Offset, p.Length)
	}
	p.TrimFront(46)
	if p.Offset != 188 || p.Length != 0 {
		t.Errorf("offset %d, length %d after the whole is gone", p.Offset, p.Length)
	}
	if !p.Prepend(60) || p.Offset != 128 || p.Length != 60 {
		t.Errorf("offset %d, length %d after all is back", p.Offset, p.Length)
	}
}

func TestResize(t *testing.T) {
	for _, c := range []struct {
		n      int
		ok     bool
		length uint16
	}{
		{0, true, 0}, {59, true, 59}, {1514, true, 1514}, {2176, true, 2176},
		{2177, false, 60}, {-1, false, 60}, {1 << 16, false, 60}, {1<<16 + 10, false, 60},
	} {
		p := Packet{Offset: 128, Length: 60, BufferLen: 2304}
		if ok := p.Resize(c.n); ok != c.ok || p.Length != c.length || p.Offset != 128 {
			t.Errorf("to %d: %v, offset %d, length %d; want %v, length %d",
				c.n, ok, p.Offset, p.Length, c.ok, c.length)
		}
	}
}
