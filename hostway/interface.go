package hostway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// InterfaceConfig describes a host interface.
type InterfaceConfig struct {
	Name string  // at most 15 bytes
	MAC  [6]byte // the port's
	MTU  int     // the port's, in bytes
	// Addresses are the port's own, each with its prefix length (not masked).
	Addresses []netip.Prefix
	// Open is the TAP as the process before passes it on, or nil: Open takes it over instead of
	// attaching to it. It belongs to the callee, which closes it.
	Open *os.File
}

// Interface is an open host interface. Its methods may be called by any goroutine. A Pump that has
// it closes it.
type Interface struct {
	config    InterfaceConfig // without addresses
	fd        int             // of its Pump alone
	addresses atomic.Pointer[[]netip.Prefix]
}

// Open opens a host interface, makes it if it does not exist, and sets it up. What others have set
// up there stays: addresses and routes. It fails for an interface of another type, and for one that
// another process has open and has not passed on. It needs CAP_NET_ADMIN.
func Open(c InterfaceConfig) (*Interface, error) {
	passed := c.Open
	c.Open = nil
	i := &Interface{config: c}
	i.addresses.Store(&c.Addresses)
	if err := i.open(passed); err != nil {
		return nil, err
	}
	return i, nil
}

// open opens the interface as it is to be, or takes over the one that was passed on.
func (i *Interface) open(passed *os.File) (err error) {
	name := i.config.Name
	if passed != nil {
		i.fd, err = takeOver(passed, name)
	} else {
		i.fd, err = openTAP(name)
	}
	if err != nil {
		return fmt.Errorf("host interface %s: %w", name, err)
	}
	if err := i.setUp(); err != nil {
		return errors.Join(fmt.Errorf("host interface %s: %w", name, err), i.Close())
	}
	return nil
}

// Name returns the interface's name.
func (i *Interface) Name() string { return i.config.Name }

// File returns a duplicate of the open TAP, to be passed on to another process. Both processes get
// the interface's frames: each frame goes to the first that reads. The interface has its carrier
// until both have closed it.
func (i *Interface) File() (*os.File, error) {
	fd, err := duplicate(i.fd)
	if err != nil {
		return nil, fmt.Errorf("host interface %s: %w", i.config.Name, err)
	}
	return os.NewFile(uintptr(fd), i.config.Name), nil
}

// Close closes an interface that no Pump has. The kernel keeps it.
func (i *Interface) Close() error { return unix.Close(i.fd) }

// Up reports whether the interface exists and is up.
func (i *Interface) Up() bool {
	link, err := netlink.LinkByName(i.config.Name)
	return err == nil && link.Attrs().Flags&net.FlagUp != 0
}

// SetAddresses adds the addresses that the port has got, and removes those that it has lost. Others
// stay. One goroutine may call it.
func (i *Interface) SetAddresses(next []netip.Prefix) error {
	was := *i.addresses.Swap(&next)
	link, err := netlink.LinkByName(i.config.Name)
	if err != nil {
		return fmt.Errorf("host interface %s: %w", i.config.Name, err)
	}
	for _, a := range was {
		if !slices.Contains(next, a) {
			err = errors.Join(err, removeAddress(link, a))
		}
	}
	for _, a := range next {
		if !slices.Contains(was, a) {
			err = errors.Join(err, addAddress(link, a))
		}
	}
	return err
}

// setUp gives an interface what it lacks. It touches nothing that is right already: a new MAC or
// MTU makes the kernel forget neighbours.
func (i *Interface) setUp() error {
	c, own := &i.config, *i.addresses.Load()
	link, err := netlink.LinkByName(c.Name)
	if err != nil {
		return err
	}
	if mac := net.HardwareAddr(c.MAC[:]); mac.String() != link.Attrs().HardwareAddr.String() {
		if err := netlink.LinkSetHardwareAddr(link, mac); err != nil {
			return fmt.Errorf("giving it the port's MAC %s: %w", mac, err)
		}
	}
	if c.MTU != link.Attrs().MTU {
		if err := netlink.LinkSetMTU(link, c.MTU); err != nil {
			return fmt.Errorf("giving it the port's MTU %d: %w", c.MTU, err)
		}
	}
	if err := chooseLinkLocal(link, own); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("setting it up: %w", err)
	}
	return addMissing(link, own)
}

// noLinkLocal is IN6_ADDR_GEN_MODE_NONE (linux/if_link.h).
const noLinkLocal = 1

// chooseLinkLocal keeps the kernel from making a link-local address if the port has one. The
// director answers for the port's alone.
func chooseLinkLocal(link netlink.Link, own []netip.Prefix) error {
	linkLocal := func(p netip.Prefix) bool { return p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() }
	if !slices.ContainsFunc(own, linkLocal) {
		return nil
	}
	if err := netlink.LinkSetIP6AddrGenMode(link, noLinkLocal); err != nil {
		return fmt.Errorf("keeping the kernel from making a link-local address: %w", err)
	}
	return nil
}

// addMissing adds those addresses that the interface does not have.
func addMissing(link netlink.Link, own []netip.Prefix) error {
	list, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("reading its addresses: %w", err)
	}
	var has []netip.Prefix
	for _, a := range list {
		ip, _ := netip.AddrFromSlice(a.IP)
		bits, _ := a.Mask.Size()
		has = append(has, netip.PrefixFrom(ip.Unmap(), bits))
	}
	for _, a := range own {
		if !slices.Contains(has, a) {
			err = errors.Join(err, addAddress(link, a))
		}
	}
	return err
}

// addAddress adds an address. Its kernel does not ask whether others have it (DAD): the director
// announces it, and watches over it.
func addAddress(link netlink.Link, p netip.Prefix) error {
	a := addressOf(p)
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	if err := netlink.AddrAdd(link, a); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("adding the address %s to %s: %w", p, link.Attrs().Name, err)
	}
	return nil
}

func removeAddress(link netlink.Link, p netip.Prefix) error {
	err := netlink.AddrDel(link, addressOf(p))
	if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) { // that: somebody has removed it
		return fmt.Errorf("removing the address %s from %s: %w", p, link.Attrs().Name, err)
	}
	return nil
}

func addressOf(p netip.Prefix) *netlink.Addr {
	a := p.Addr()
	return &netlink.Addr{IPNet: &net.IPNet{
		IP: a.AsSlice(), Mask: net.CIDRMask(p.Bits(), a.BitLen()),
	}}
}

// Abandoned returns the names of persistent TAP interfaces with one of these MACs that nobody has
// open: a port had them.
func Abandoned(macs [][6]byte) (names []string) {
	all, err := netlink.LinkList()
	if err != nil {
		return nil // nobody asked for a warning
	}
	for _, l := range all {
		t, tap := l.(*netlink.Tuntap)
		if !tap || t.Mode != netlink.TUNTAP_MODE_TAP || t.RawFlags&unix.IFF_LOWER_UP != 0 {
			continue
		}
		if mac := t.HardwareAddr; len(mac) == 6 && slices.Contains(macs, [6]byte(mac)) {
			names = append(names, t.Name)
		}
	}
	return names
}
