package adopt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"fulcrum/hostway"
)

// Move is a move of all that one interface has to another, which is planned and not done yet.
type Move struct {
	Steps []Step // none if there is nothing to move
	// Addresses are those that are moved.
	Addresses []netip.Addr
}

// Plan plans to move what the interface from has to the interface to, which must be up.
func Plan(from, to string) (*Move, error) {
	a, err := linkOf(from)
	if err != nil {
		return nil, err
	}
	b, err := linkOf(to)
	if err != nil {
		return nil, err
	}
	s, err := read()
	if err != nil {
		return nil, err
	}
	m := &Move{}
	if m.Steps, err = plan(a, b, s); err != nil {
		return nil, err
	}
	for _, e := range s.addressesOf(a) {
		m.Addresses = append(m.Addresses, e.local().Addr())
	}
	return m, nil
}

// linkOf returns an interface that is up.
func linkOf(name string) (Link, error) {
	l, err := netlink.LinkByName(name)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		return Link{}, fmt.Errorf("there is no interface %s", name)
	}
	if err != nil {
		return Link{}, fmt.Errorf("interface %s: %w", name, err)
	}
	if l.Attrs().RawFlags&unix.IFF_UP == 0 {
		return Link{}, fmt.Errorf("interface %s is down: ip link set %s up", name, name)
	}
	value, _ := os.ReadFile(acceptRA(name)) // there is none without IPv6
	return Link{l.Attrs().Index, name, strings.TrimSpace(string(value))}, nil
}

// read reads all that the kernel has.
func read() (*site, error) {
	s := &site{names: map[int]string{}}
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("reading the kernel's interfaces: %w", err)
	}
	for _, l := range links {
		s.names[l.Attrs().Index] = l.Attrs().Name
	}
	for _, part := range []struct {
		request uint16
		answer  uint16
		family  byte
		kind    kind
		into    *[]entry
	}{
		{unix.RTM_GETADDR, unix.RTM_NEWADDR, unix.AF_UNSPEC, address, &s.addresses},
		{unix.RTM_GETROUTE, unix.RTM_NEWROUTE, unix.AF_INET, route, &s.routes},
		{unix.RTM_GETROUTE, unix.RTM_NEWROUTE, unix.AF_INET6, route, &s.routes},
		{unix.RTM_GETNEIGH, unix.RTM_NEWNEIGH, unix.AF_UNSPEC, neighbour, &s.neighbours},
	} {
		req := nl.NewNetlinkRequest(int(part.request), unix.NLM_F_DUMP)
		header := make(raw, headers[part.kind])
		header[0] = part.family
		req.AddData(header)
		messages, err := req.Execute(unix.NETLINK_ROUTE, part.answer)
		if err != nil {
			return nil, fmt.Errorf("reading the kernel's %ss: %w", words[part.kind], err)
		}
		for _, m := range messages {
			if e, ok := newEntry(part.kind, m); ok && e.isStatic() && !e.isForChecks() {
				*part.into = append(*part.into, e)
			}
		}
	}
	return s, nil
}

// isForChecks reports whether an entry is the director's own, for its health checks.
func (e *entry) isForChecks() bool {
	switch e.kind {
	case address:
		return hostway.IsReserved(e.local().Addr())
	case route:
		return hostway.IsReserved(e.destination().Addr())
	}
	return hostway.IsReserved(e.addr(unix.NDA_DST))
}

// isStatic leaves out neighbours that the kernel has learnt, and copies of routes in its cache.
func (e *entry) isStatic() bool {
	switch e.kind {
	case neighbour:
		state := binary.NativeEndian.Uint16(e.header[8:])
		a := e.addr(unix.NDA_DST)
		return state&unix.NUD_PERMANENT != 0 && e.header[10]&unix.NTF_PROXY == 0 && a.IsValid() &&
			!a.IsMulticast()
	case route:
		return binary.NativeEndian.Uint32(e.header[8:])&unix.RTM_F_CLONED == 0
	}
	return true
}

// raw is the content of a message.
type raw []byte

func (r raw) Len() int          { return len(r) }
func (r raw) Serialize() []byte { return r }

// Do makes all steps. If one fails, those before it are undone.
func (m *Move) Do() error { return do(m.Steps, action.run) }

func do(steps []Step, run func(action) error) error {
	for i := range steps {
		err := run(steps[i].do)
		if err == nil {
			continue
		}
		err = fmt.Errorf("%s: %w", steps[i].Text, err)
		for j := i - 1; j >= 0; j-- {
			if undo := run(steps[j].undo); undo != nil {
				err = errors.Join(err, fmt.Errorf("undoing %s: %w", steps[j].Text, undo))
			}
		}
		return err
	}
	return nil
}

// The messages by kind of entry.
var (
	adding   = [...]int{address: unix.RTM_NEWADDR, route: unix.RTM_NEWROUTE, neighbour: unix.RTM_NEWNEIGH}
	removing = [...]int{address: unix.RTM_DELADDR, route: unix.RTM_DELROUTE, neighbour: unix.RTM_DELNEIGH}
)

// run has the kernel do the action. What the kernel has done by itself, as with a route that goes
// with its address, is done.
func (a action) run() error {
	if a.file != "" {
		return os.WriteFile(a.file, []byte(a.value), 0)
	}
	message, flags, done := adding[a.entry.kind], unix.NLM_F_CREATE|unix.NLM_F_EXCL, unix.EEXIST
	if a.remove {
		message, flags, done = removing[a.entry.kind], 0, unix.ESRCH
	}
	req := nl.NewNetlinkRequest(message, flags|unix.NLM_F_ACK)
	req.AddData(raw(a.entry.body()))
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	if errors.Is(err, done) && a.entry.kind != address {
		return nil
	}
	return err
}
