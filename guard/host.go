package guard

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
)

// Host is what the kernel does on its own, in the network namespace of the calling thread.
type Host struct {
	// Addresses are those of all interfaces: the kernel takes packets to any of them, whichever
	// interface they come in by.
	Addresses []netip.Addr
}

// ReadHost asks the kernel for its addresses.
func ReadHost() (*Host, error) {
	list, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("reading the host's addresses: %w", err)
	}
	h := &Host{}
	for _, a := range list {
		if address, ok := netip.AddrFromSlice(a.IP); ok {
			h.Addresses = append(h.Addresses, address.Unmap())
		}
	}
	return h, nil
}

// Forwarding returns the settings by which the kernel forwards what a VLAN of an interface brings,
// 0 for frames without tag. Without an address of a family, or without an interface for the VLAN,
// it forwards nothing of the family.
func (h *Host) Forwarding(iface string, vlan int) (settings []string) {
	on, err := receiver(iface, vlan)
	if err != nil {
		return nil
	}
	for _, family := range []struct {
		name string
		six  bool
	}{{"ipv4", false}, {"ipv6", true}} {
		file := "/proc/sys/net/" + family.name + "/conf/" + on + "/forwarding"
		value, err := os.ReadFile(file)
		if err == nil && strings.TrimSpace(string(value)) == "1" && h.reaches(family.six) {
			settings = append(settings, "net."+family.name+".conf."+on+".forwarding")
		}
	}
	return settings
}

// On returns the addresses that the kernel has at the interface which gets a VLAN of an interface,
// 0 for frames without tag, and whether there is such an interface. Link-local IPv6 addresses are
// left out: every interface has one.
func (h *Host) On(iface string, vlan int) (all []netip.Prefix, exists bool, err error) {
	name, err := receiver(iface, vlan)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, false, err
	}
	list, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	for _, a := range list {
		address, _ := netip.AddrFromSlice(a.IP)
		bits, _ := a.Mask.Size()
		if address = address.Unmap(); !address.Is6() || !address.IsLinkLocalUnicast() {
			all = append(all, netip.PrefixFrom(address, bits))
		}
	}
	return all, true, err
}

// reaches reports whether the host has an address of a family that others can use.
func (h *Host) reaches(six bool) bool {
	for _, a := range h.Addresses {
		if a.Is6() == six && a.IsGlobalUnicast() {
			return true
		}
	}
	return false
}

// receiver returns the interface whose settings hold for packets of a VLAN of an interface: that of
// the VLAN, and the bridge or bond that an interface is part of.
func receiver(iface string, vlan int) (string, error) {
	on, err := netlink.LinkByName(iface)
	if err != nil {
		return "", err
	}
	if vlan != 0 {
		if on, err = vlanOf(on, vlan); err != nil {
			return "", err
		}
	}
	if master := on.Attrs().MasterIndex; master != 0 {
		if on, err = netlink.LinkByIndex(master); err != nil {
			return "", err
		}
	}
	return on.Attrs().Name, nil
}

// vlanOf returns the interface of a VLAN of another interface.
func vlanOf(parent netlink.Link, vlan int) (netlink.Link, error) {
	all, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	for _, l := range all {
		v, ok := l.(*netlink.Vlan)
		if ok && v.ParentIndex == parent.Attrs().Index && v.VlanId == vlan {
			return l, nil
		}
	}
	return nil, netlink.LinkNotFoundError{}
}
