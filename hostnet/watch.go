package hostnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"fulcrum/config"
)

// Watcher watches interfaces by their names, whether they exist or not. One goroutine at a time may
// use it, except for Close.
type Watcher struct {
	links  links
	below  links
	sock   *nl.NetlinkSocket
	closed atomic.Bool
}

// groups are the kinds of messages that a Watcher receives.
var groups = []uint{
	unix.RTNLGRP_LINK, unix.RTNLGRP_NEIGH, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
}

// Watch begins to watch interfaces, by port; a port without one has no name. It begins before the
// first look at them, so that nothing is missed.
//
// below are the interfaces below the ports, of which only addresses are watched, by port as well.
func Watch(names, below []string) (*Watcher, error) {
	sock, err := nl.Subscribe(unix.NETLINK_ROUTE, groups...)
	if err != nil {
		return nil, fmt.Errorf("watching host interfaces: %w", err)
	}
	_ = sock.SetReceiveBufferSize(buffer, true) // or the kernel's default
	return &Watcher{links: newLinks(names), below: newLinks(below), sock: sock}, nil
}

// Close ends the watch, and a wait in Next.
func (w *Watcher) Close() {
	w.closed.Store(true)
	w.sock.Close()
}

// buffer holds the messages that come while the watcher is busy, in bytes. Losing some costs no
// more than reading everything.
const buffer = 1 << 20

// Next waits for a change and returns what may have changed: nothing after the wait, or if another
// interface has changed. With a wait of 0 it waits for ever. It returns net.ErrClosed after Close.
func (w *Watcher) Next(wait time.Duration) (e Event, err error) {
	limit := unix.NsecToTimeval(wait.Nanoseconds())
	if err := w.sock.SetReceiveTimeout(&limit); err != nil {
		return 0, w.failed(err)
	}
	messages, _, err := w.sock.Receive()
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return 0, nil
	case errors.Is(err, unix.ENOBUFS): // messages were lost
		return Everything, nil
	case err != nil:
		return 0, w.failed(err)
	}
	for i := range messages {
		e |= eventOf(&messages[i], &w.links) | eventOf(&messages[i], &w.below)&Addresses
	}
	return e, nil
}

// failed returns why the watch has ended.
func (w *Watcher) failed(err error) error {
	if w.closed.Load() {
		return net.ErrClosed
	}
	return fmt.Errorf("watching host interfaces: %w", err)
}

// Held reads the addresses of each interface, and those of each interface below a port, in the
// order of the names.
func (w *Watcher) Held() (held, below [][]netip.Addr, err error) {
	if held, err = w.links.addresses(); err != nil {
		return nil, nil, err
	}
	below, err = w.below.addresses()
	return held, below, err
}

func (l *links) addresses() ([][]netip.Addr, error) {
	var f facts
	if err := l.read(); err != nil {
		return nil, err
	}
	if err := f.readAddresses(l); err != nil {
		return nil, err
	}
	return f.held(l), nil
}

// Read reads what each interface has, in the order of the names.
func (w *Watcher) Read() ([]config.HostInterface, error) {
	var f facts
	for _, read := range []func() error{
		w.links.read,
		func() error { return f.readAddresses(&w.links) },
		func() error { return f.readRoutes(&w.links) },
		func() error { return f.readStations(&w.links) },
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	w.links.routed, w.links.stationed = len(f.routes) > 0, len(f.stations) > 0
	all := f.of(&w.links)
	if len(all) > 0 {
		all[0].Excess += f.excess
	}
	return all, nil
}
