package engine

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"fulcrum/hostway"
	"fulcrum/lvs"
)

// A health check through the mode is a connection of the host to an address that stands for one
// real server of one service (hostway.CheckTarget). Workers send its packets to that real server as
// the mode sends those of clients, and bring the answers back. It is in no session table, so that a
// full one does not matter, and nothing counts it: not the scheduler, no limit, no statistic.

// CheckTarget is an address of the host's side that stands for a real server while it is open.
type CheckTarget struct {
	Address netip.Addr
	number  int
	targets *checkTargets

	// of the real server; workers read them
	id, incarnation uint32
	closed          atomic.Bool
}

// Errors of OpenCheck.
var (
	ErrNoHost     = errors.New("engine: no port has a host interface")
	ErrManyChecks = errors.New("engine: no address is left for another health check")
)

// checkTargets are the addresses of checks. Opening and closing takes a lock, for which no worker
// waits.
type checkTargets struct {
	open [hostway.CheckTargets]atomic.Pointer[CheckTarget]
	used atomic.Bool // one was opened, so that there may be answers

	mu     sync.Mutex
	fresh  int // numbers below have been given out
	closed []closedTarget
	now    func() time.Time
}

// closedTarget is a number that will be given out again.
type closedTarget struct {
	number int
	at     time.Time
}

// checkRest is how long a number rests, so that what is on its way reaches nobody else. It is
// longer than checkLinger.
const checkRest = 5 * time.Second

func newCheckTargets() *checkTargets { return &checkTargets{now: time.Now} }

// OpenCheck returns an address by which the host reaches one real server by its mode, however
// its service would schedule: it may be down, drained or full. The caller closes it after the
// check. Any goroutine may call it.
func (e *Engine) OpenCheck(server lvs.RealServerID) (*CheckTarget, error) {
	if e.checks == nil {
		return nil, ErrNoHost
	}
	t := &CheckTarget{targets: e.checks}
	var known bool
	if t.id, t.incarnation, known = e.registry.present(server); !known {
		return nil, ErrNoServer
	}
	if t.number, known = e.checks.take(); !known {
		return nil, ErrManyChecks
	}
	t.Address = hostway.CheckTarget(t.number, server.Service.Address.Addr().Is6())
	e.checks.open[t.number].Store(t)
	e.checks.used.Store(true)
	return t, nil
}

// Close gives the address up. What is still on its way, such as the end of a connection, passes for
// a moment.
func (t *CheckTarget) Close() {
	if t.closed.Swap(true) {
		return
	}
	c := t.targets
	c.mu.Lock()
	c.closed = append(c.closed, closedTarget{t.number, c.now()})
	c.mu.Unlock()
}

// take returns a number that nobody uses: a fresh one, or the one that has rested for longest.
func (c *checkTargets) take() (number int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.closed) > 0 && c.now().Sub(c.closed[0].at) >= checkRest {
		number = c.closed[0].number
		c.closed = c.closed[1:]
		return number, true
	}
	if c.fresh == len(c.open) {
		return 0, false
	}
	c.fresh++
	return c.fresh - 1, true
}

// at returns the target of an address, or nil.
func (c *checkTargets) at(a netip.Addr) *CheckTarget {
	number, ok := hostway.TargetNumber(a)
	if !ok {
		return nil
	}
	t := c.open[number].Load()
	if t == nil || t.Address != a {
		return nil
	}
	return t
}

// present returns the id of a configured real server.
func (r *registry) present(server lvs.RealServerID) (id, incarnation uint32, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.services[server.Service]
	if s == nil {
		return 0, 0, false
	}
	id, ok = s.servers[server.Address]
	if !ok {
		return 0, 0, false
	}
	return id, r.live[id].incarnation, true
}
