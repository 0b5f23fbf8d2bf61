package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
)

// A Lab is a test bed that stands: its namespaces are connected and its real servers serve. The
// director runs between StartDirector and StopDirector.
type Lab struct {
	config   Config
	plan     plan
	user     *File // the user's configuration; nil for the lab's own
	record   *record
	nursery  *nursery
	children map[string]*child // by role
	turn     atomic.Uint32     // of client addresses and ports

	close    sync.Once
	closeErr error
}

// New builds a lab and starts its real servers. If it fails, it leaves nothing behind.
func New(ctx context.Context, c Config) (*Lab, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("building a lab: %w", err)
	}
	if os.Geteuid() != 0 {
		return nil, errNeedsRoot
	}
	if err := c.checkBinary(); err != nil {
		return nil, fmt.Errorf("building a lab: %w", err)
	}
	return raise(ctx, &Lab{config: c, plan: newPlan(c)})
}

var errNeedsRoot = errors.New("building a lab: network namespaces need root; run it with sudo")

// raise makes the planned lab.
func raise(ctx context.Context, l *Lab) (*Lab, error) {
	l.children, l.nursery = map[string]*child{}, newNursery()
	if err := l.raise(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("building a lab: %w", err), l.Close())
	}
	return l, nil
}

func (l *Lab) raise(ctx context.Context) (err error) {
	mode := l.config.Mode.String()
	if l.user != nil {
		mode = l.user.mode()
	}
	if l.record, err = claimRecord(mode, l.plan.roles()); err != nil {
		return err
	}
	if err := l.build(ctx); err != nil {
		return err
	}
	return l.startRealServers(ctx)
}

// ID returns the id in the names of the lab's namespaces: `ip netns exec fulcrum-ID-client`.
func (l *Lab) ID() string { return l.record.ID }

// VIP returns the address of both services.
func (l *Lab) VIP() netip.Addr { return l.plan.vip }

// Clients returns the addresses of the client's namespace.
func (l *Lab) Clients() []netip.Addr { return slices.Clone(l.plan.clients) }

// LocalAddresses returns the local addresses of fullnat.
func (l *Lab) LocalAddresses() []netip.Addr { return slices.Clone(l.plan.local) }

// RealServers returns the real servers in the order of the director's file.
func (l *Lab) RealServers() []RealServer { return slices.Clone(l.plan.realServers) }

// PortAddress returns the director's own address on a port: "front", or "back" with two arms.
func (l *Lab) PortAddress(port string) netip.Addr { return l.port(port).Address.Addr() }

// PortMAC returns the MAC address of the director's port.
func (l *Lab) PortMAC(port string) net.HardwareAddr { return slices.Clone(l.port(port).MAC) }

func (l *Lab) port(name string) directorPort {
	i := slices.IndexFunc(l.plan.ports, func(p directorPort) bool { return p.Name == name })
	if i < 0 {
		return directorPort{}
	}
	return l.plan.ports[i]
}

func (l *Lab) namespace(role string) namespace {
	return namespace(namespaceName(l.record.ID, role))
}

// Keep leaves the lab standing when this process ends. Config.Outlive must have been set. Close
// does nothing after it.
func (l *Lab) Keep() error {
	if !l.config.Outlive {
		return fmt.Errorf("keeping lab %s: its children end with this process; build it with Outlive",
			l.record.ID)
	}
	l.close.Do(func() { l.closeErr = l.record.keep() })
	return l.closeErr
}

// Close stops the director and the real servers and removes the lab. Another call returns the same.
func (l *Lab) Close() error {
	l.close.Do(func() { l.closeErr = l.dismantle() })
	return l.closeErr
}

// dismantle ends the children before their nursery, and then removes what the record names.
func (l *Lab) dismantle() error {
	errs := make(chan error, len(l.children))
	for _, c := range l.children {
		go func() { errs <- c.stopOnce() }()
	}
	var all []error
	for range l.children {
		all = append(all, <-errs)
	}
	l.nursery.close()
	if l.record != nil {
		all = append(all, l.record.demolish())
	}
	if err := errors.Join(all...); err != nil {
		return fmt.Errorf("removing the lab: %w", err)
	}
	return nil
}

// stopOnce does nothing for a child that has ended before, which was reported then.
func (c *child) stopOnce() error {
	if c.gone() {
		return nil
	}
	return c.stop()
}
