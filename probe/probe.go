package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Outcome is what a check saw.
type Outcome struct {
	Good   bool
	Reason string // why it is bad; of a good one, what was seen
	Steps  []Step
	// Weight is the weight that the check asks for, if HasWeight.
	Weight    int
	HasWeight bool
	// Unmade: the check could not be made on this side, so that it says nothing.
	Unmade bool
}

// Step is a part of a check.
type Step struct {
	Name string        // such as "connect"
	Took time.Duration // since the end of the step before
	Saw  string        // such as "status 200"; may be empty
}

// Target is where a check goes.
type Target struct {
	Address netip.AddrPort
	Source  netip.Addr // to send from; the kernel's choice if it is invalid
	// Name is the real server's address and port, if Address only stands for it.
	Name   netip.AddrPort
	Device string // interface to send from; empty: by the host's routes
}

// name returns the real server's address and port.
func (t *Target) name() netip.AddrPort {
	if t.Name.IsValid() {
		return t.Name
	}
	return t.Address
}

// control binds sockets to the interface of a target.
func (t *Target) control() func(network, address string, c syscall.RawConn) error {
	if t.Device == "" {
		return nil
	}
	return func(_, _ string, c syscall.RawConn) error {
		var bound error
		err := c.Control(func(fd uintptr) { bound = unix.BindToDevice(int(fd), t.Device) })
		return errors.Join(err, bound)
	}
}

// Check is one way to check a real server.
type Check interface {
	// run checks a real server. It returns a non-nil error, whose text is the reason, if that is not
	// in order, and what was seen otherwise.
	run(ctx context.Context, to Target, t *trace) (saw string, err error)
}

// Run makes a check. It returns when the check or ctx ends.
func Run(ctx context.Context, c Check, to Target) Outcome {
	t := &trace{last: time.Now()}
	saw, err := c.run(ctx, to, t)
	if err != nil {
		saw = reason(ctx, err)
	}
	return Outcome{
		Good: err == nil, Reason: saw, Steps: t.steps, Weight: t.weight, HasWeight: t.hasWeight,
	}
}

// reason returns why a check is bad in few words.
func reason(ctx context.Context, err error) string {
	if end, limited := ctx.Deadline(); limited && !time.Now().Before(end) {
		return late(err.Error())
	}
	return err.Error()
}

// late returns the reason of a check whose time was up.
func late(why string) string { return "not done in time: " + why }

// trace notes the steps of a check while it runs.
type trace struct {
	last      time.Time
	steps     []Step
	weight    int
	hasWeight bool
}

// step notes that a step has ended.
func (t *trace) step(name, format string, args ...any) {
	now := time.Now()
	t.steps = append(t.steps, Step{name, now.Sub(t.last), fmt.Sprintf(format, args...)})
	t.last = now
}

// asks notes that a check asks for a weight.
func (t *trace) asks(weight int) { t.weight, t.hasWeight = weight, true }
