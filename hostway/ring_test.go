package hostway

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"
)

// Frames arrive whole and in order, whichever thread is faster.
func TestRingKeepsTheOrder(t *testing.T) {
	const frames = 20_000
	r := NewRing(8, 64)
	go func() {
		frame := make([]byte, 64)
		for i := range uint32(frames) {
			binary.BigEndian.PutUint32(frame, i)
			length := 4 + int(i%60)
			for !r.Put(uint16(i%7), frame[:length]) {
				runtime.Gosched()
			}
		}
	}()
	for i := range uint32(frames) {
		port, frame := r.Peek()
		for ; frame == nil; port, frame = r.Peek() {
			runtime.Gosched()
		}
		n := binary.BigEndian.Uint32(frame)
		if n != i || port != uint16(i%7) || len(frame) != 4+int(i%60) {
			t.Fatalf("frame %d of port %d with %d bytes; want %d", n, port, len(frame), i)
		}
		r.Next()
	}
	if !r.Empty() {
		t.Error("not empty")
	}
}

func TestRingRefuses(t *testing.T) {
	r := NewRing(2, 10)
	if r.Put(0, make([]byte, 11)) {
		t.Error("took a frame that is too long")
	}
	for range 2 {
		if !r.Put(0, bytes.Repeat([]byte{1}, 10)) {
			t.Fatal("did not take a frame")
		}
	}
	if r.Put(0, []byte{1}) {
		t.Error("took a frame although it is full")
	}
	r.Next()
	if n := r.Room(); n != 1 || r.Cap() != 2 {
		t.Errorf("room for %d of %d frames; want 1 of 2", n, r.Cap())
	}
	if !r.Put(0, []byte{1}) {
		t.Error("is still full")
	}
	if n := r.Room(); n != 0 {
		t.Errorf("room for %d frames; want none", n)
	}
}

// The host's side is woken once, and does not sleep over frames.
func TestLinkWakesTheHost(t *testing.T) {
	woken := 0
	l := NewLink(2, 10, func() { woken++ })
	l.Flush()
	if woken != 0 {
		t.Error("woken while awake")
	}
	if !l.Sleep() {
		t.Fatal("may not sleep")
	}
	l.ToHost.Put(0, []byte{1})
	l.Flush()
	l.Flush()
	if woken != 1 {
		t.Errorf("woken %d times; want once", woken)
	}
	if l.Sleep() {
		t.Error("sleeps over a frame")
	}
	l.Flush()
	if woken != 1 {
		t.Error("woken although it did not sleep")
	}
}

func TestRingAllocatesNothing(t *testing.T) {
	l, frame := NewLink(8, 64, func() {}), make([]byte, 60)
	if n := testing.AllocsPerRun(100, func() {
		l.ToHost.Put(0, frame)
		l.Flush()
		l.ToHost.Peek()
		l.ToHost.Next()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
