package engine

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fulcrum/modes"
)

// start runs the bed's director on its own thread, and returns a function that stops it and returns
// its error.
func (b *bed) start() (stop func() error) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- b.engine.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		b.Fatalf("ended before it was ready: %v", err)
	case <-time.After(10 * time.Second):
		b.Fatal("not ready in 10 s")
	}
	return func() error { cancel(); return <-ended }
}

// await polls until the condition holds.
func (b *bed) await(what string, holds func() bool) {
	b.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			b.Fatalf("waited 10 s in vain for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestRun(t *testing.T) {
	for _, idle := range []Idle{IdleAdaptive, IdleBusy} {
		s := twoArm
		b := newSilentBed(t, s, s.serving(s.web(modes.FullNAT, 3)))
		b.engine.cfg.Idle = idle
		stop := b.start()
		var got [][]byte
		for i := range 200 {
			b.deliver(0, tcp(clientAt(i), webVIP, "S").frame(s.gateway.mac, s.ports[0].mac))
		}
		b.await("200 SYNs at the real servers", func() bool {
			for _, f := range b.ports[1].Collect(0) {
				if f[12] == 8 && f[13] == 0 {
					got = append(got, f)
				}
			}
			return len(got) == 200
		})
		b.await("200 connections in the report", func() bool {
			r := b.engine.Report()
			return r.Services[0].Connections == 200 && r.Sessions == 200
		})
		b.engine.Apply(s.serving(s.web(modes.FullNAT, 2)))
		b.engine.AwaitSilence(t.Context(), 20*time.Millisecond)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		r := b.engine.Report()
		if r.Balance() != 0 || r.Held != 0 || r.Sessions != 0 || r.Received != 200 {
			t.Fatalf("at the end: %+v", r)
		}
	}
}

func TestAwaitSilenceEndsWithItsContext(t *testing.T) {
	b := newSilentBed(t, oneArm, oneArm.settings())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.engine.AwaitSilence(ctx, time.Hour)
}

// Silence lasts only while no packet comes.
func TestSilence(t *testing.T) {
	begin := time.Now()
	s := silence{7, begin}
	for _, tt := range []struct {
		after    time.Duration
		received uint64
		want     time.Duration
	}{{time.Second, 7, time.Second}, {2 * time.Second, 8, 0}, {3 * time.Second, 9,
		0}, {4 * time.Second, 9, time.Second}, {9 * time.Second, 9, 6 * time.Second}} {
		if got := s.lasted(tt.received, begin.Add(tt.after)); got != tt.want {
			t.Errorf("%v after the beginning, with %d packets: %v, want %v", tt.after, tt.received,
				got, tt.want)
		}
	}
}

// AwaitSilence returns some time after the last packet.
func TestAwaitSilence(t *testing.T) {
	s := oneArm
	b := newSilentBed(t, s, s.settings())
	stop := b.start()
	b.deliver(0, echoRequest("192.168.5.9", "10.0.0.1").frame(s.gateway.mac, s.ports[0].mac))
	for b.engine.received() == 0 {
		time.Sleep(time.Millisecond)
	}
	b.engine.AwaitSilence(t.Context(), 50*time.Millisecond)
	b.ports[0].Collect(0)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// Without a seed every director hashes in its own way. IPv6 addresses on its ports do no harm.
func TestDirectorWithSecretsAndIPv6Addresses(t *testing.T) {
	s := oneArm
	b := newSilentBed(t, s, s.settings())
	cfg := b.engine.cfg
	cfg.Seed = 0
	n := s.serving(s.web(modes.FullNAT, 1))
	n.Ports[0].Addresses = append(n.Ports[0].Addresses, netip.MustParsePrefix("fd00::1/64"))
	var turns [2]uint32
	for i := range turns {
		e, err := New(cfg, n)
		if err != nil {
			t.Fatal(err)
		}
		e.workers[0].Turn(b.now)
		b.ports[0].Collect(0)
		turns[i] = e.workers[0].peers[0].turn
		e.workers[0].stop()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if turns[0] == turns[1] {
		t.Fatal("two directors begin with the same local port")
	}
}

func TestThreadThatCannotStart(t *testing.T) {
	b := newSilentBed(t, oneArm, oneArm.settings())
	reason := errors.New("no such thread")
	left := false
	b.engine.cfg.EnterThread = func() error { return reason }
	b.engine.cfg.LeaveThread = func() { left = true }
	err := b.engine.Run(t.Context(), func() { t.Error("said to be ready") })
	if !errors.Is(err, reason) {
		t.Fatalf("error %v", err)
	}
	if left {
		t.Error("left what was not entered")
	}
}

func TestThreadIsLeft(t *testing.T) {
	b := newSilentBed(t, oneArm, oneArm.settings())
	entered, left := 0, 0
	b.engine.cfg.EnterThread = func() error { entered++; return nil }
	b.engine.cfg.LeaveThread = func() { left++ }
	if err := b.start()(); err != nil || entered != 1 || left != 1 {
		t.Fatalf("error %v, entered %d, left %d", err, entered, left)
	}
}

func TestMissingCPU(t *testing.T) {
	b := newSilentBed(t, oneArm, oneArm.settings())
	b.engine.cfg.CPUs = []int{1000}
	err := b.engine.Run(t.Context(), func() {})
	if err == nil || !strings.Contains(err.Error(), "CPU 1000") ||
		!strings.Contains(err.Error(), "director.workers") {
		t.Fatalf("error %v", err)
	}
}

func TestConfigValidate(t *testing.T) {
	b := newSilentBed(t, oneArm, oneArm.settings())
	for _, tt := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Ports = nil }, "no port"},
		{func(c *Config) { c.CPUs = nil }, "no worker"},
		{func(c *Config) { c.CPUs = make([]int, 9); c.Sessions = 8 }, "8 sessions for 9 workers"},
		{func(c *Config) { c.Sessions = 0 }, "0 sessions"},
	} {
		cfg := b.engine.cfg
		tt.change(&cfg)
		_, err := New(cfg, oneArm.settings())
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want one with %q", err, tt.want)
		}
	}
}

func TestClockIsBootTime(t *testing.T) {
	c := NewClock()
	a := c.Now()
	c.synced = -2 * clockSync // as if a second had passed: the next reading asks the kernel again
	b := c.Now()
	if diff := b - a; diff > 1000 {
		t.Fatalf("two readings differ by %d ms", int32(diff))
	}
	if diff := NewClock().Now() - b; diff > 1000 {
		t.Fatalf("two clocks differ by %d ms", int32(diff))
	}
}

// TestTurn: an engine turns by hand, at its caller's time, with all of its workers.
func TestTurn(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.settings())
	b.deliver(0, echoRequest("192.168.5.9", "10.0.0.1").frame(s.gateway.mac, s.ports[0].mac))
	if n := b.engine.Turn(b.now); n != 1 {
		t.Errorf("%d packets; want 1", n)
	}
	b.engine.Turn(b.now)
	if n := len(b.ports[0].Collect(0)); n != 1 {
		t.Errorf("%d answers; want 1", n)
	}
}
