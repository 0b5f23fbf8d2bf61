package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"

	"fulcrum/lvs"
)

// An event is something that happens to a real server, and how it is undone.
type event struct {
	name   string
	happen func(*Lab, RealServer) error
	undo   func(context.Context, *Lab, RealServer) error
	// holdsVIP says that it happens only in modes whose real servers have the VIP, and that a check
	// notices it only if it goes to the VIP.
	holdsVIP bool
}

var events = []event{
	{name: "killed", happen: (*Lab).killRealServer, undo: restart},
	{name: "hung", happen: signalling(syscall.SIGSTOP), undo: undoing(signalling(syscall.SIGCONT))},
	{name: "unplugged", happen: plugging(false), undo: undoing(plugging(true))},
	{name: "VIP lost", happen: (*Lab).loseVIP, undo: undoing((*Lab).regainVIP), holdsVIP: true},
	{name: "slow", happen: signalling(slowDown), undo: undoing(signalling(speedUp))},
}

// Events returns the names of what may happen to a real server, in the order of HealthTrial.
func Events() (names []string) {
	for _, e := range events {
		names = append(names, e.name)
	}
	return names
}

// fits reports whether an event can happen in a mode.
func (e *event) fits(m lvs.Mode) bool { return !e.holdsVIP || !m.TwoWay() }

func undoing(f func(*Lab, RealServer) error) func(context.Context, *Lab, RealServer) error {
	return func(_ context.Context, l *Lab, rs RealServer) error { return f(l, rs) }
}

func (l *Lab) killRealServer(rs RealServer) error { return l.children[rs.Name].kill() }

func restart(ctx context.Context, l *Lab, rs RealServer) error {
	return l.startRealServer(ctx, rs)
}

func signalling(s os.Signal) func(*Lab, RealServer) error {
	return func(l *Lab, rs RealServer) error { return l.children[rs.Name].signal(s) }
}

// plugging connects a real server to its network, or disconnects it. Its routes stay, as with a
// cable.
func plugging(in bool) func(*Lab, RealServer) error {
	change, what := netlink.LinkSetDown, "unplugging"
	if in {
		change, what = netlink.LinkSetUp, "plugging in"
	}
	return func(l *Lab, rs RealServer) error {
		return l.namespace(roleRouter).do(func() error {
			plug, err := netlink.LinkByName(rs.Name)
			if err == nil {
				err = change(plug)
			}
			if err != nil {
				return fmt.Errorf("%s %s: %w", what, rs.Name, err)
			}
			return nil
		})
	}
}

func (l *Lab) loseVIP(rs RealServer) error {
	return l.namespace(rs.Name).do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return fmt.Errorf("finding lo of %s: %w", rs.Name, err)
		}
		vip, err := netlink.ParseAddr(l.hostPrefix().String())
		if err == nil {
			err = netlink.AddrDel(lo, vip)
		}
		if err != nil {
			return fmt.Errorf("taking the VIP from %s: %w", rs.Name, err)
		}
		return nil
	})
}

func (l *Lab) regainVIP(rs RealServer) error {
	return l.namespace(rs.Name).do(func() error { return bringUp("lo", l.hostPrefix()) })
}

// hostPrefix returns the VIP as real servers have it.
func (l *Lab) hostPrefix() netip.Prefix { return netip.PrefixFrom(l.plan.vip, l.plan.vip.BitLen()) }
