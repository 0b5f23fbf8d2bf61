package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"fulcrum/ports"
)

// ServeConfig describes the generator's process.
type ServeConfig struct {
	Site Site
	Port ports.Port // the generator uses its first queue
	CPU  int        // the generator's CPU
	// EnterThread and LeaveThread, if set, are called on the generator's thread before its first and
	// after its last use of the queue.
	EnterThread func() error
	LeaveThread func()
}

// linkDeadline bounds the wait until the device under test connects.
const linkDeadline = 30 * time.Second

// Serve runs the trials that it reads from in, one JSON object after the other, and writes each
// Result to out. It returns at the end of in, or when ctx ends. A trial that is cut off is an
// error.
func Serve(ctx context.Context, c ServeConfig, in io.Reader, out io.Writer) error {
	queue, ok := c.Port.Queue(0).(ports.Source)
	if !ok {
		return fmt.Errorf("port %s cannot allocate bursts of packets, which a generator needs",
			c.Port.Name())
	}
	stop := new(atomic.Bool)
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()
	g, err := NewGenerator(c.Site, queue, stop)
	if err != nil {
		return err
	}
	orders, outcomes := make(chan Trial), make(chan outcome)
	go c.work(g, orders, outcomes)
	defer func() {
		close(orders)
		<-outcomes // closed once the thread has been left
	}()
	for trial := range readTrials(ctx, in) {
		if trial.err != nil {
			return trial.err
		}
		if err := c.awaitLink(ctx); err != nil {
			return err
		}
		orders <- trial.result.Trial
		o := <-outcomes
		if o.err != nil {
			return o.err
		}
		if err := json.NewEncoder(out).Encode(o.result); err != nil {
			return fmt.Errorf("write a trial's result: %w", err)
		}
	}
	return nil
}

// readTrials sends the trials of in until its end or ctx's. A read itself cannot be interrupted.
func readTrials(ctx context.Context, in io.Reader) iter.Seq[outcome] {
	read := make(chan outcome)
	go func() {
		defer close(read)
		for decoder := json.NewDecoder(in); ; {
			var o outcome
			o.err = decoder.Decode(&o.result.Trial)
			if errors.Is(o.err, io.EOF) {
				return
			}
			if o.err != nil {
				o.err = fmt.Errorf("read a trial: %w", o.err)
			}
			select {
			case read <- o:
			case <-ctx.Done():
				return
			}
			if o.err != nil {
				return
			}
		}
	}()
	return func(yield func(outcome) bool) {
		for {
			select {
			case o, more := <-read:
				if !more || !yield(o) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// outcome is the result of a trial, or its error.
type outcome struct {
	result Result
	err    error
}

// work runs trials on a thread of its own, which ends with it.
func (c *ServeConfig) work(g *Generator, trials <-chan Trial, outcomes chan<- outcome) {
	defer close(outcomes)
	runtime.LockOSThread()
	// A running trial allocates nothing, so there is nothing to collect.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	err := c.enterThread()
	if err == nil && c.LeaveThread != nil {
		defer c.LeaveThread()
	}
	for t := range trials {
		o := outcome{err: err}
		if err == nil {
			o.result, o.err = g.Run(t)
		}
		outcomes <- o
	}
}

func (c *ServeConfig) enterThread() error {
	var set unix.CPUSet
	set.Set(c.CPU)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin the generator to CPU %d: %w; name another CPU", c.CPU, err)
	}
	if c.EnterThread == nil {
		return nil
	}
	return c.EnterThread()
}

// awaitLink waits until the device under test is there.
func (c *ServeConfig) awaitLink(ctx context.Context) error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(linkDeadline); !c.Port.Link().Up; {
		select {
		case <-ctx.Done():
			return ErrStopped
		case <-ticker.C:
		}
		if time.Now().After(end) {
			return fmt.Errorf("port %s has no link after %s: connect the device under test: %w",
				c.Port.Name(), linkDeadline, os.ErrDeadlineExceeded)
		}
	}
	return nil
}
