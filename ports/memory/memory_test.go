package memory

import (
	"fmt"
	"testing"

	"fulcrum/ports"
)

// newPool returns a pool. All buffers must be back at the end of the test.
func newPool(t *testing.T, n int) *Pool {
	t.Helper()
	p, err := NewPool(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left := p.InUse(); left != 0 {
			t.Errorf("%d buffers leaked", left)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// newPort returns a port that is closed at the end of the test.
func newPort(t *testing.T, cfg Config) *Port {
	t.Helper()
	if cfg.Pool == nil {
		cfg.Pool = newPool(t, 256)
	}
	p := NewPort(cfg)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// deliver delivers the frames "0", "1", and so on.
func deliver(t *testing.T, p *Port, queue, n int) {
	t.Helper()
	for i := range n {
		if !p.Deliver(queue, fmt.Append(nil, i)) {
			t.Fatalf("no buffer for frame %d", i)
		}
	}
}

func wantFrames(t *testing.T, got [][]byte, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d frames; want %d", len(got), len(want))
	}
	for i := range want {
		if string(got[i]) != want[i] {
			t.Errorf("frame %d is %q; want %q", i, got[i], want[i])
		}
	}
}

func TestPoolCountsWhatIsOut(t *testing.T) {
	p := newPool(t, 2)
	a, ok1 := p.get(60)
	b, ok2 := p.get(60)
	if !ok1 || !ok2 || p.InUse() != 2 || a.Buffer == b.Buffer {
		t.Fatalf("%+v, %+v, %d in use", a, b, p.InUse())
	}
	if _, ok := p.get(60); ok {
		t.Error("an empty pool gave a buffer")
	}
	put(a.Handle)
	put(b.Handle)
}

func TestPoolBuffersHaveRoom(t *testing.T) {
	p := newPool(t, 1)
	pkt, ok := p.get(BufferSize - ports.Headroom)
	if !ok || pkt.Offset != ports.Headroom || int(pkt.BufferLen) != BufferSize ||
		int(pkt.Length) != BufferSize-ports.Headroom {
		t.Errorf("%+v, %v", pkt, ok)
	}
	pkt.Prepend(ports.Headroom)
	clear(pkt.Bytes())
	put(pkt.Handle)
	if _, ok := p.get(BufferSize - ports.Headroom + 1); ok {
		t.Error("a buffer for more than fits")
	}
}

func TestWrongFreesPanic(t *testing.T) {
	p, closed := newPool(t, 1), newPool(t, 1)
	twice, _ := p.get(1)
	late, _ := closed.get(1)
	put(twice.Handle)
	pools.Delete(closed.id) // as in Close
	for what, h := range map[string]uintptr{"freed twice": twice.Handle, "freed after Close": late.Handle, "no handle": 0} {
		if !panics(func() { put(h) }) {
			t.Errorf("%s: goes unnoticed", what)
		}
	}
	closed.put(late.Handle)
}

func panics(f func()) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	f()
	return false
}

func TestPoolWithoutBuffers(t *testing.T) {
	if _, err := NewPool(0); err == nil {
		t.Error("a pool of nothing")
	}
}
