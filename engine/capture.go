package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fulcrum/capture"
)

// CaptureConfig says which packets are captured, and how many.
type CaptureConfig struct {
	Filter  capture.Filter
	Stages  []capture.Stage
	Packets int // after which it ends
	Bytes   int // of packets as they are recorded, after which it ends
	Snap    int // bytes of each packet that are recorded
}

// Bounds of a capture. A ring holds what comes while its reader is away, some milliseconds.
const (
	MaxSnap     = 1 << 14
	ringRecords = 1 << 12
	ringBytes   = 4 << 20 // at most, of each worker's ring
	drainEvery  = time.Millisecond

	tapPatience = 2 * time.Second // for a worker to begin or to end
)

// Validate reports what is wrong with the configuration.
func (c *CaptureConfig) Validate() error {
	switch {
	case len(c.Stages) == 0:
		return errors.New("capture: no stage; name rx, tx or drop")
	case c.Packets < 1 || c.Bytes < 1:
		return errors.New("capture: the limits of packets and of bytes are 1 or more")
	case c.Snap < 14 || c.Snap > MaxSnap:
		return fmt.Errorf("capture: %d bytes of each packet; 14 to %d can be recorded", c.Snap, MaxSnap)
	}
	return nil
}

// Captured is what became of a capture.
type Captured struct {
	Packets int
	Missed  uint64 // that matched, but came faster than they were taken
}

// ErrCapturing says that there is a capture already: each costs the workers something, so there is one at a time.
var ErrCapturing = errors.New("another capture is running; wait for its end")

// Capture gives packets to deliver, which need not be fast, until a limit is reached, deliver returns an error, or ctx ends, which is the
// usual end and no error. A record is valid only during deliver.
func (e *Engine) Capture(ctx context.Context, c CaptureConfig, deliver func(*capture.Record) error) (Captured, error) {
	if err := c.Validate(); err != nil {
		return Captured{}, err
	}
	if !e.capturing.TryLock() {
		return Captured{}, ErrCapturing
	}
	defer e.capturing.Unlock()
	d := drain{config: c, deliver: deliver}
	err := e.attach(&d)
	if err == nil {
		err = d.run(ctx)
	}
	return d.result(), errors.Join(err, e.detach())
}

// attach gives every worker a tap.
func (e *Engine) attach(d *drain) error {
	ctx, cancel := context.WithTimeout(context.Background(), tapPatience)
	defer cancel()
	for i := range e.workers {
		t := &tap{filter: d.config.Filter, ring: newTapRing(d.config.Snap), worker: uint16(i), sent: make([]int, len(e.cfg.Ports))}
		for _, s := range d.config.Stages {
			t.stages[s] = true
		}
		d.rings = append(d.rings, t.ring)
		if err := e.ask(ctx, i, func(w *Worker) bool { w.tap = t; return true }); err != nil {
			return err
		}
	}
	return nil
}

// newTapRing makes a ring of bounded memory.
func newTapRing(snap int) *capture.Ring {
	n := ringRecords
	for n*snap > ringBytes {
		n /= 2
	}
	return capture.NewRing(n, snap)
}

// detach takes the taps away. A worker that does not answer keeps its own, whose ring fills up and then misses everything.
func (e *Engine) detach() error {
	ctx, cancel := context.WithTimeout(context.Background(), tapPatience)
	defer cancel()
	var errs []error
	for i := range e.workers {
		errs = append(errs, e.ask(ctx, i, func(w *Worker) bool { w.tap = nil; return true }))
	}
	return errors.Join(errs...)
}

// drain takes records out of the workers' rings.
type drain struct {
	config  CaptureConfig
	deliver func(*capture.Record) error
	rings   []*capture.Ring
	packets int
	bytes   int
	err     error
}

// run drains until there is a reason to end.
func (d *drain) run(ctx context.Context) error {
	ticker := time.NewTicker(drainEvery)
	defer ticker.Stop()
	for d.empty(); !d.ended(); d.empty() {
		select {
		case <-ctx.Done():
			d.empty()
			return d.err
		case <-ticker.C:
		}
	}
	return d.err
}

// empty takes what the rings hold now, or as much as there may be.
func (d *drain) empty() {
	for _, r := range d.rings {
		for !d.ended() && r.Take(d.take) {
		}
	}
}

func (d *drain) ended() bool {
	return d.err != nil || d.packets >= d.config.Packets || d.bytes >= d.config.Bytes
}

func (d *drain) take(r *capture.Record) {
	d.packets++
	d.bytes += len(r.Data)
	d.err = d.deliver(r)
}

func (d *drain) result() Captured {
	c := Captured{Packets: d.packets}
	for _, r := range d.rings {
		c.Missed += r.Missed()
	}
	return c
}
