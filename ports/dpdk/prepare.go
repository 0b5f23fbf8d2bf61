package dpdk

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Prepare does beforehand what OpenPort would do for a port that takes over (PortConfig.Beside) and
// that can be done while the other process has the device: it allocates the buffers, and checks
// that the interface and its mark are those of the other process. OpenPort with the same
// configuration then uses the buffers.
func (e *EAL) Prepare(c PortConfig) error {
	c = c.withDefaults()
	if err := c.Validate(); err != nil {
		return err
	}
	if c.Beside == nil {
		return c.fail("preparing the port", syscall.EINVAL, "no other process has it")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return c.fail("preparing the port", os.ErrClosed, "DPDK has been stopped")
	}
	if _, known := e.prepared[c.Device]; known {
		return c.fail("preparing the port", syscall.EBUSY, "give each port a different device")
	}
	p := &port{eal: e, config: c, device: parseDevice(c.Device), workers: c.Queues, leaves: true}
	mark := markLog()
	if err := p.prepare(); err != nil {
		err.Log = mark.lines()
		return errors.Join(err, p.close())
	}
	e.prepared[c.Device], p.pool = p.pool, nil
	return p.close()
}

// prepare runs the steps that need no device.
func (p *port) prepare() *Error {
	p.node = p.config.Beside.Node
	p.config.Queues = min(p.config.Queues, p.config.Beside.Queues)
	for _, step := range []func() *Error{
		p.checkMembers, p.claim, p.findInterface, p.checkInterface, p.makePool,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	p.pool.touch()
	return nil
}

// checkMembers fails for a bonding of NICs: DPDK attaches its members at start, when the other
// process has them.
func (p *port) checkMembers() *Error {
	for _, m := range p.device.members() {
		if m.isPCI {
			return p.config.fail("taking "+m.name+" over from another process", syscall.ENOTSUP,
				"end that process first")
		}
	}
	return nil
}

// checkInterface fails if the interface is not that of the other process: it was renamed, or
// deleted and created again.
func (p *port) checkInterface() *Error {
	b := p.config.Beside.Interface
	if b == nil || p.found != nil && p.found.index == b.Index {
		return nil
	}
	return p.config.fail("taking over interface "+p.device.kernelInterface(), unix.ENODEV,
		"it was renamed or created again: end the other process first")
}

// takePool gives the port its prepared buffers, if they are enough, and reports whether it did.
func (p *port) takePool() bool {
	made := p.eal.prepared[p.config.Device]
	delete(p.eal.prepared, p.config.Device)
	switch {
	case made == nil:
		return false
	case made.fits(p.config, p.workers):
		p.pool = made
		return true
	}
	p.eal.retire(made)
	return false
}
