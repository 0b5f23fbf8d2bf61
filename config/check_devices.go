package config

import (
	"fmt"
	"regexp"
	"strings"
)

// checkDevices reports a device that two ports name. By the same string they may: then each has a VLAN of its own, and one may have none.
func (c *checker) checkDevices() {
	ids, vlans := firsts{}, firsts{}
	taken := map[string]bool{}
	for i, port := range c.Ports {
		if !taken[port.Device] {
			for _, id := range deviceIDs(port.Device) {
				ids.unique(c.at("port", i, "device"), id, "in use by another port",
					"give every port a device of its own, or write the same string and give each a vlan of its own")
			}
		}
		taken[port.Device] = true
		c.checkVLAN(i, vlans)
	}
}

// checkVLAN reports a VLAN that another port of the device has.
func (c *checker) checkVLAN(i int, taken firsts) {
	port := c.Ports[i]
	switch {
	case port.Device == "" || port.VLAN == unreadVLAN:
	case port.VLAN == 0:
		taken.unique(c.at("port", i, "device"), port.Device, "in use by another port without a VLAN",
			"give every port a device of its own, or all ports of a device but one a vlan")
	default:
		taken.unique(c.at("port", i, "vlan"), fmt.Sprintf("VLAN %d of %s", port.VLAN, port.Device), "another port's",
			"give each port of a device a vlan of its own")
	}
}

// shortPCI is a PCI address without its domain, which is 0000 then.
var shortPCI = regexp.MustCompile(`^[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]$`)

// deviceIDs gives the names that DPDK or the system know a device by, of which each can be taken once only: the vdev's
// name or the PCI address, the kernel's interface below it, and those of a bond's members.
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
