package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// checkDevices reports a device that two ports name differently. Ports may share a device under the
// same string. Each of them then has its own VLAN, and one may be untagged.
func (c *checker) checkDevices() {
	c.checkDeviceNames()
	ids, vlans := firsts{}, firsts{}
	taken := map[string]bool{}
	for i, port := range c.Ports {
		if !taken[port.Device] {
			for _, id := range deviceIDs(port.Device) {
				ids.unique(c.at("port", i, "device"), id, "in use by another port",
					"give every port its own device, or write the same device string "+
						"and give each port its own vlan")
			}
		}
		taken[port.Device] = true
		c.checkVLAN(i, vlans)
		c.checkGuard(i)
		c.checkFollow(i)
	}
	c.checkHosts()
}

// checkVLAN reports a VLAN that another port of the same device uses.
func (c *checker) checkVLAN(i int, taken firsts) {
	port := c.Ports[i]
	switch {
	case port.Device == "" || port.VLAN == unreadVLAN:
	case port.VLAN == 0:
		taken.unique(c.at("port", i, "device"), port.Device, "in use by another port without a VLAN",
			"give every port its own device, or set vlan on all but one port of the device")
	default:
		vlan := fmt.Sprintf("VLAN %d of %s", port.VLAN, port.Device)
		taken.unique(c.at("port", i, "vlan"), vlan, "in use by another port",
			"give each port of a device its own vlan")
	}
}

// checkGuard reports a guard on a device from which the kernel gets nothing.
func (c *checker) checkGuard(i int) {
	port := c.Ports[i]
	if !port.Guard || port.Device == "" || port.Interface() != "" {
		return
	}
	why := "the kernel gets no packets of this device"
	if strings.HasPrefix(port.Device, "net_af_xdp") {
		why = "net_af_xdp takes packets before the kernel gets them"
	}
	c.at("port", i, "guard").report(why+", so there is nothing to hide",
		"leave the key out; it is for net_af_packet and net_pcap with iface=")
}

// checkHosts reports host interfaces whose names something else of the file has, or that cannot
// have all of their port's addresses.
func (c *checker) checkHosts() {
	names := firsts{}
	for i := range c.Ports {
		p := &c.Ports[i]
		for _, id := range deviceIDs(p.Device) {
			if name, ok := strings.CutPrefix(id, "interface "); ok && names[name] == 0 {
				names[name] = c.at("port", i, "device").line()
			}
		}
	}
	for i := range c.Ports {
		p := &c.Ports[i]
		names.unique(c.at("port", i, "host"), p.Host, "the name of another interface of this file",
			"give every host interface a name of its own")
		six := func(a netip.Prefix) bool { return a.Addr().Is6() }
		if p.Host != "" && p.MTU < leastMTUv6 && slices.ContainsFunc(p.Addresses, six) {
			c.at("port", i, "host").report("the port has an IPv6 address and a small MTU, with which the "+
				"kernel has no IPv6 at the host interface",
				fmt.Sprintf("write an mtu of at least %d, or remove the IPv6 addresses", leastMTUv6))
		}
	}
}

// shared are the drivers that get copies: the kernel handles their packets too.
var shared = []string{"net_af_packet", "eth_af_packet", "net_pcap", "eth_pcap"}

// Interface returns the kernel's interface of the port's device if the kernel handles its packets
// too, and the empty string for all others.
func (p *Port) Interface() string {
	name, args, _ := strings.Cut(p.Device, ",")
	for _, driver := range shared {
		if strings.HasPrefix(name, driver) {
			return interfaceOf(name, args)
		}
	}
	return ""
}

// Below returns the kernel's interface below the port's device, whether the kernel handles its
// packets too or not, and the empty string for a device without one.
func (p *Port) Below() string {
	name, args, _ := strings.Cut(p.Device, ",")
	return interfaceOf(name, args)
}

// shortPCI matches a PCI address without its domain. The domain is then 0000.
var shortPCI = regexp.MustCompile(`^[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]\b`)

// deviceIDs returns the names by which DPDK or the system know a device. Only one port may use each
// of them: the vdev's name or the PCI address, the kernel interface below it, and those of a bond's
// members.
func deviceIDs(device string) []string {
	name, args, _ := strings.Cut(device, ",")
	if shortPCI.MatchString(name) {
		name = "0000:" + name
	}
	ids := []string{strings.ToLower(name)}
	for arg := range strings.SplitSeq(args, ",") {
		if iface, ok := strings.CutPrefix(arg, "iface="); ok {
			ids = append(ids, "interface "+iface)
		}
		if member, ok := strings.CutPrefix(arg, "slave="); ok {
			ids = append(ids, deviceIDs(member)...)
		}
	}
	return ids
}
