package ports

import (
	"fmt"
	"sync/atomic"
	"syscall"
)

// Late is a port whose device another process still uses. It has the properties that the other
// process tells, so that everything above it can be made before. Use gives it the device.
//
// Before Use its link is up, its counters are zero, and its queues receive, send and allocate
// nothing. After Use everything is the opened port's. Queues have to be fetched again: those of the
// opened port are used directly, without any cost.
type Late struct {
	properties Properties
	rss        *RSS
	opened     atomic.Pointer[Port]
}

var _ Port = (*Late)(nil)

// NewLate returns a port with the properties. It returns an error if no port has them.
func NewLate(p Properties) (*Late, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	l := &Late{properties: p}
	if p.RSS == nil {
		return l, nil
	}
	var err error
	if l.rss, err = NewRSS(*p.RSS); err != nil {
		return nil, err
	}
	return l, nil
}

// Use gives the port its device. It fails if a property of p is another one, or if the port has its
// device; p then remains the caller's. It may run while other goroutines read the port.
func (l *Late) Use(p Port) error {
	if err := l.properties.Differ(PropertiesOf(p)); err != nil {
		return err
	}
	if !l.opened.CompareAndSwap(nil, &p) {
		return fmt.Errorf("port %q: opening it twice: %w", l.Name(), syscall.EBUSY)
	}
	return nil
}

// port returns the opened port, or nil before Use.
func (l *Late) port() Port {
	if p := l.opened.Load(); p != nil {
		return *p
	}
	return nil
}

// Name returns the port's name as configured.
func (l *Late) Name() string { return l.properties.Name }

// Device returns the device's own name.
func (l *Late) Device() string { return l.properties.Device }

// MAC returns the Ethernet address.
func (l *Late) MAC() [6]byte { return l.properties.MAC }

// MTU returns the MTU in bytes of an IP packet.
func (l *Late) MTU() int { return l.properties.MTU }

// Queues returns the number of queues.
func (l *Late) Queues() int { return l.properties.Queues }

// RSS returns the rule by which packets are spread; it is nil without one.
func (l *Late) RSS() *RSS { return l.rss }

// Queue returns a queue of the opened port, or one that does nothing before Use.
func (l *Late) Queue(i int) Queue {
	if p := l.port(); p != nil {
		return p.Queue(i)
	}
	return idleQueue{}
}

// Link returns the opened port's link. Before Use it is up: the other process forwards.
func (l *Late) Link() Link {
	if p := l.port(); p != nil {
		return p.Link()
	}
	return Link{Up: true, MTU: l.properties.MTU}
}

// Stats returns the opened port's counters. They are zero before Use.
func (l *Late) Stats() (Stats, error) {
	if p := l.port(); p != nil {
		return p.Stats()
	}
	return Stats{}, nil
}

// XStats returns the opened port's extended counters, and nothing before Use.
func (l *Late) XStats() ([]XStat, error) {
	if p := l.port(); p != nil {
		return p.XStats()
	}
	return nil, nil
}

// Notes returns the opened port's notes, and nothing before Use.
func (l *Late) Notes() []string {
	if p := l.port(); p != nil {
		return p.Notes()
	}
	return nil
}

// Close closes the opened port. Before Use there is nothing to close.
func (l *Late) Close() error {
	if p := l.port(); p != nil {
		return p.Close()
	}
	return nil
}

// idleQueue is the queue of a device that is not open.
type idleQueue struct{}

func (idleQueue) Exchange(_, _, rx *Burst) {
	if rx != nil {
		rx.N = 0
	}
}

func (idleQueue) Alloc(*Burst, int) bool { return false }
