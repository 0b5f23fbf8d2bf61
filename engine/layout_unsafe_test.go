package engine

// Why this is sound: the test only reads addresses, sizes and offsets.

import (
	"testing"
	"unsafe"

	"fulcrum/modes"
)

// TestWorkersShareNoLine: a worker begins at a cache line and is larger than what the heap puts
// side by side, and both ends of a ring have lines of their own. What is written for every packet
// is in them.
func TestWorkersShareNoLine(t *testing.T) {
	const line = 64
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 1)), crowd(2))
	for i, w := range b.engine.workers {
		const small = 32 << 10
		if at := uintptr(unsafe.Pointer(w)); at%line != 0 || unsafe.Sizeof(*w) <= small {
			t.Errorf("worker %d begins at %#x and has %d bytes", i, at, unsafe.Sizeof(*w))
		}
	}
	if n := unsafe.Sizeof(road{}); n != line {
		t.Errorf("a road has %d bytes", n)
	}
	if n := unsafe.Sizeof(tunnel{}); n != line {
		t.Errorf("a tunnel has %d bytes", n)
	}
	var h handoff
	reader, writer := unsafe.Offsetof(h.head), unsafe.Offsetof(h.tail)
	if packets := unsafe.Sizeof(h.packets); reader < packets+line || writer < reader+line ||
		unsafe.Sizeof(h) < writer+line {
		t.Errorf("packets end at %d, the reader has %d, the writer %d, and the ring ends at %d", packets,
			reader, writer, unsafe.Sizeof(h))
	}
}
