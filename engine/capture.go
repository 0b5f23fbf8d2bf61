package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fulcrum/capture"
)

// CaptureConfig says which packets are captured, and how many. Filter, Program and Sessions must
// all select a packet.
type CaptureConfig struct {
	Filter   capture.Filter
	Program  *capture.Program  // nil selects all
	Sessions *capture.Sessions // nil selects all
	Stages   []capture.Stage
	From     string // who captures, for others who want to
	What     string // what is captured, for the same
	Packets  int    // the capture ends after so many packets
	Bytes    int    // the capture ends after so many recorded bytes
	Snap     int    // bytes that are recorded of each packet
}

// Bounds of a capture. A ring holds what arrives while its reader sleeps, some milliseconds.
const (
	MaxSnap     = 1 << 14
	ringRecords = 1 << 12
	ringBytes   = 4 << 20 // at most, for each worker's ring
	drainEvery  = time.Millisecond

	tapPatience = 2 * time.Second // how long a worker may take to begin or to end
)

// Validate reports the first error of the configuration.
func (c *CaptureConfig) Validate() error {
	switch {
	case len(c.Stages) == 0:
		return errors.New("capture: no stage; give rx, tx or drop")
	case c.Packets < 1 || c.Bytes < 1:
		return errors.New("capture: the limits of packets and bytes must be 1 or more")
	case c.Snap < 14 || c.Snap > MaxSnap:
		return fmt.Errorf("capture: cannot record %d bytes of each packet; give 14 to %d",
			c.Snap, MaxSnap)
	}
	return nil
}

// Captured is the result of a capture.
type Captured struct {
	Packets int
	Missed  uint64 // matching packets that came faster than they were read
}

// RunningCapture describes a capture that is running.
type RunningCapture struct {
	From  string // as in CaptureConfig
	What  string // as in CaptureConfig
	Since time.Time
}

// CapturingError reports that another capture is running. Only one runs at a time, because each
// slows the workers.
type CapturingError struct{ RunningCapture }

func (e *CapturingError) Error() string {
	return fmt.Sprintf("another capture is running since %s, of %s, by %s: wait for its end, or end it",
		e.Since.Format(time.DateTime), e.What, e.From)
}

// ErrNoExpressions reports that the engine has no compiler for expressions.
var ErrNoExpressions = errors.New("this director was built without libpcap")

// CompileFilter compiles an expression in libpcap's language by Config.CompileFilter. Any goroutine
// may call it.
func (e *Engine) CompileFilter(expression string) (*capture.Program, error) {
	if e.cfg.CompileFilter == nil {
		return nil, ErrNoExpressions
	}
	return e.cfg.CompileFilter(expression)
}

// RunningCapture returns the capture that is running, or nil. Any goroutine may call it.
func (e *Engine) RunningCapture() *RunningCapture { return e.capture.Load() }

// Capture calls deliver for each captured packet until a limit is reached, deliver returns an
// error, or ctx ends. The end of ctx is the usual end and not an error. deliver may be slow; a
// record is valid only until deliver returns. Any goroutine may call Capture.
func (e *Engine) Capture(
	ctx context.Context, c CaptureConfig, deliver func(*capture.Record) error,
) (Captured, error) {
	if err := c.Validate(); err != nil {
		return Captured{}, err
	}
	if err := e.beginCapture(&c); err != nil {
		return Captured{}, err
	}
	defer e.capture.Store(nil)
	d := drain{config: c, deliver: deliver}
	err := e.attach(&d)
	if err == nil {
		err = d.run(ctx)
	}
	return d.result(), errors.Join(err, e.detach())
}

// beginCapture makes a capture the running one, or returns a *CapturingError.
func (e *Engine) beginCapture(c *CaptureConfig) error {
	mine := &RunningCapture{From: c.From, What: c.What, Since: time.Now()}
	for !e.capture.CompareAndSwap(nil, mine) {
		if other := e.capture.Load(); other != nil {
			return &CapturingError{*other}
		}
	}
	return nil
}

// attach gives every worker a tap.
func (e *Engine) attach(d *drain) error {
	ctx, cancel := context.WithTimeout(context.Background(), tapPatience)
	defer cancel()
	for i, w := range e.workers {
		t := newTap(&d.config, w)
		d.rings = append(d.rings, t.ring)
		if err := e.ask(ctx, i, func(w *Worker) bool { w.tap = t; return true }); err != nil {
			return err
		}
	}
	return nil
}

func newTap(c *CaptureConfig, w *Worker) *tap {
	t := &tap{
		filter: c.Filter, program: c.Program, ring: newTapRing(c.Snap),
		worker: uint16(w.number), sent: make([]int, len(w.out)),
	}
	if c.Sessions != nil {
		t.pursuit, t.late = newPursuit(c.Sessions, w, false), newPursuit(c.Sessions, w, true)
	}
	for _, s := range c.Stages {
		t.stages[s] = true
	}
	return t
}

// newTapRing makes a ring of bounded memory.
func newTapRing(snap int) *capture.Ring {
	n := ringRecords
	for n*snap > ringBytes {
		n /= 2
	}
	return capture.NewRing(n, snap)
}

// detach removes the taps. A worker that does not answer keeps its tap; the ring fills up and
// counts the rest as missed.
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

// run drains the rings until a limit, an error or the end of ctx.
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

// empty delivers what the rings hold now, up to the limits.
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
