package ports_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fulcrum/ports"
	"fulcrum/ports/memory"
)

func newLate(t *testing.T, p ports.Properties) *ports.Late {
	t.Helper()
	l, err := ports.NewLate(p)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newPool(t *testing.T, n int) *memory.Pool {
	t.Helper()
	pool, err := memory.NewPool(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := pool.InUse(); n != 0 {
			t.Errorf("%d buffers leaked", n)
		}
		pool.Close()
	})
	return pool
}

// TestLateBeforeUse: a late port has the properties of the other process's port, and moves nothing.
func TestLateBeforeUse(t *testing.T) {
	want := propertiesOfTwo()
	l := newLate(t, want)
	if diff := cmp.Diff(want, ports.PropertiesOf(l)); diff != "" {
		t.Error(diff)
	}
	var burst ports.Burst
	burst.N = 1
	l.Queue(1).Exchange(nil, nil, &burst)
	if burst.N != 0 || l.Queue(1).Alloc(&burst, 60) {
		t.Errorf("%d packets, and more to be had", burst.N)
	}
	s, err := l.Stats()
	x, xerr := l.XStats()
	if s != (ports.Stats{}) || err != nil || x != nil || xerr != nil || l.Notes() != nil {
		t.Errorf("%v, %v, %v, %v, %v", s, err, x, xerr, l.Notes())
	}
	if link := l.Link(); link != (ports.Link{Up: true, MTU: 1500}) {
		t.Errorf("%+v", link)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestLateAfterUse: everything is the opened port's, also its very queues.
func TestLateAfterUse(t *testing.T) {
	l, opened := newLate(t, propertiesOfTwo()), portWith(t, propertiesOfTwo(), newPool(t, 8))
	if err := l.Use(opened); err != nil {
		t.Fatal(err)
	}
	if l.Queue(1) != opened.Queue(1) {
		t.Error("another queue")
	}
	opened.SetLink(ports.Link{Speed: 10})
	opened.Deliver(0, []byte("a frame"))
	if n := ports.Drain(l); n != 1 {
		t.Errorf("%d packets", n)
	}
	if s, err := l.Stats(); s.RxPackets != 1 || err != nil || l.Link().Speed != 10 {
		t.Errorf("%+v, %v, %+v", s, err, l.Link())
	}
	opened.Deliver(0, []byte("the last"))
	if err := l.Close(); err != nil || opened.Pending() != 0 {
		t.Errorf("%v; %d packets are left", err, opened.Pending())
	}
}

// TestLateIsUsedOnce: its device stays the first one.
func TestLateIsUsedOnce(t *testing.T) {
	l, opened := newLate(t, propertiesOfTwo()), portWith(t, propertiesOfTwo(), nil)
	if err := l.Use(opened); err != nil {
		t.Fatal(err)
	}
	if err := l.Use(portWith(t, propertiesOfTwo(), nil)); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("%v", err)
	}
	if l.Queue(0) != opened.Queue(0) {
		t.Error("another device")
	}
}

// TestLateRefusesAnotherPort: what the engine was made for is what it gets. The error names each
// difference.
func TestLateRefusesAnotherPort(t *testing.T) {
	for says, change := range map[string]func(*ports.Properties){
		"name was front and is back":            func(p *ports.Properties) { p.Name = "back" },
		"MAC was [2 0 0 0 0 1] and is [2 0 0 0": func(p *ports.Properties) { p.MAC[5] = 9 },
		"MTU was 1500 and is 1400":              func(p *ports.Properties) { p.MTU = 1400 },
		"queues was 2 and is 3":                 func(p *ports.Properties) { p.Queues = 3 },
		"scaling has changed":                   func(p *ports.Properties) { p.RSS = nil },
		"receive-side scaling":                  func(p *ports.Properties) { p.RSS.Table[0] = 1 },
	} {
		l, other := newLate(t, propertiesOfTwo()), propertiesOfTwo()
		change(&other)
		opened := portWith(t, other, nil)
		if err := l.Use(opened); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want %q", err, says)
		}
		if l.Queue(0) == opened.Queue(0) {
			t.Errorf("%s: it is used all the same", says)
		}
	}
}
