package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// vdev is a driver of virtual devices. DPDK takes a device whose name begins with the driver's.
type vdev struct {
	name    string
	on      bool // works on an interface of the kernel, which iface= has to name
	mostMTU int  // bytes; 0 if the driver sets no limit below mostMTU
}

// The limits are what the drivers of DPDK 22.11 report.
const (
	packetMTU = 1500
	tapMTU    = 1504
)

// vdevs are the virtual network drivers of DPDK 22.11, each with its older names.
var vdevs = []vdev{
	{name: "net_af_packet", on: true, mostMTU: packetMTU},
	{name: "eth_af_packet", on: true, mostMTU: packetMTU},
	{name: "net_af_xdp", on: true},
	{name: "net_pcap"}, {name: "eth_pcap"},
	{name: "net_null"}, {name: "eth_null"},
	{name: "net_ring"}, {name: "eth_ring"},
	{name: "net_tap", mostMTU: tapMTU}, {name: "eth_tap", mostMTU: tapMTU},
	{name: "net_tun", mostMTU: tapMTU},
	{name: "net_vhost"}, {name: "eth_vhost"},
	{name: "net_virtio_user"}, {name: "virtio_user"},
	{name: "net_bonding"}, {name: "eth_bond"},
	{name: "net_memif"}, {name: "net_failsafe"}, {name: "net_softnic"},
	{name: "net_vdev_netvsc"}, {name: "eth_vdev_netvsc"},
	{name: "net_octeontx"}, {name: "eth_octeontx"}, {name: "net_pfe"}, {name: "net_enetfec"},
}

var (
	pciAddress = regexp.MustCompile(`^([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]$`)
	pciLike    = regexp.MustCompile(`^[0-9a-fA-F]+(:[0-9a-fA-F]+)+(\.[0-9a-fA-F]*)?$`)

	// Names on other buses: Hyper-V's (a UUID), and those of NXP's fslmc and dpaa.
	otherBus = regexp.MustCompile(`^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|` +
		`dpni\.[0-9]+|fm[0-9]+-mac[0-9]+)$`)

	deviceNumber = regexp.MustCompile(`[0-9]*$`)
)

// mostInterfaceName is the longest name of a network interface, in bytes (IFNAMSIZ of linux/if.h,
// without the zero byte).
const mostInterfaceName = 15

// isInterfaceName follows dev_valid_name of net/core/dev.c.
func isInterfaceName(name string) bool {
	return name != "" && len(name) <= mostInterfaceName && name != "." && name != ".." &&
		!strings.ContainsAny(name, "/: \t\n\v\f\r")
}

// checkDeviceNames reports devices that no driver takes. It clears what it has reported, so that
// nothing else is said about it.
func (c *checker) checkDeviceNames() {
	for i := range c.Ports {
		if v := c.at("port", i, "device"); c.Ports[i].Device != "" && !c.checkDeviceName(v, i) {
			c.Ports[i].Device = ""
		}
	}
}

func (c *checker) checkDeviceName(v value, i int) bool {
	c.spellOut(i)
	device := c.Ports[i].Device
	name, args, _ := strings.Cut(device, ",")
	if pciAddress.MatchString(name) || otherBus.MatchString(name) {
		return checkInterface(v, name, args)
	}
	driver, known := vdevOf(name)
	switch {
	case !known && c.addsDrivers():
		return checkInterface(v, name, args)
	case !known:
		v.reportf(c.deviceRemedy(name, args), "unknown device %q", device)
		return false
	case driver.on && interfaceOf(name, args) == "" && !c.madeByArgs(name):
		v.reportf(fmt.Sprintf(`name the kernel's interface, such as "%s,iface=eth1"`, name),
			"%q has no interface to work on", device)
		return false
	}
	return checkInterface(v, name, args) && c.checkDeviceMTU(i, driver)
}

// spellOut writes out the device of a port that names only a network interface. It chooses the
// driver that leaves the interface to the kernel too, so that SSH over it goes on. The guard spares
// the kernel the work for the director's packets.
func (c *checker) spellOut(i int) {
	p := &c.Ports[i]
	if c.isBareInterface(p.Device) {
		p.Device = fmt.Sprintf("net_af_packet_%s,iface=%[1]s", p.Device)
		_, given := c.doc.lines[c.at("port", i, "guard").at]
		p.Guard = p.Guard || !given
	}
}

// isBareInterface reports whether a device is the name of a network interface alone, and neither a
// driver's device nor a mistyped one.
func (c *checker) isBareInterface(device string) bool {
	_, driver := vdevOf(device)
	_, mistyped := nearestDriver(strings.ToLower(deviceNumber.ReplaceAllString(device, "")))
	return isInterfaceName(device) && !driver && !mistyped && !c.addsDrivers() &&
		!otherBus.MatchString(device) && !strings.Contains(device, ",") &&
		!strings.HasPrefix(device, "net_")
}

// vdevOf returns the driver of a virtual device.
func vdevOf(name string) (vdev, bool) {
	i := slices.IndexFunc(vdevs, func(d vdev) bool { return strings.HasPrefix(name, d.name) })
	if i < 0 {
		return vdev{}, false
	}
	return vdevs[i], true
}

// interfaceOf returns the interface that the arguments of a device name, or "". The iface of a
// vhost device is a socket. DPDK takes the last of several.
func interfaceOf(name, args string) (iface string) {
	if strings.HasPrefix(name, "net_vhost") || strings.HasPrefix(name, "eth_vhost") {
		return ""
	}
	for arg := range strings.SplitSeq(args, ",") {
		if value, ok := strings.CutPrefix(arg, "iface="); ok {
			iface = value
		}
	}
	return iface
}

// checkInterface reports an interface name that the kernel does not take.
func checkInterface(v value, name, args string) bool {
	iface := interfaceOf(name, args)
	if iface == "" || isInterfaceName(iface) {
		return true
	}
	v.reportf(fmt.Sprintf("use a name of at most %d bytes, without / and :", mostInterfaceName),
		"invalid interface name %q", iface)
	return false
}

// checkDeviceMTU reports an MTU that the driver does not take.
func (c *checker) checkDeviceMTU(i int, driver vdev) bool {
	if driver.mostMTU > 0 && c.Ports[i].MTU > driver.mostMTU {
		c.at("port", i, "mtu").reportf(
			fmt.Sprintf("write an integer from %d to %d, or use another driver", leastMTU, driver.mostMTU),
			"%d is more than %s takes", c.Ports[i].MTU, driver.name)
	}
	return true
}

// addsDrivers reports whether the EAL loads drivers that are not DPDK's own.
func (c *checker) addsDrivers() bool {
	return slices.ContainsFunc(c.DPDK.Args, func(a string) bool { return strings.HasPrefix(a, "-d") })
}

// madeByArgs reports whether the EAL makes a device by itself, from a --vdev in its arguments.
func (c *checker) madeByArgs(name string) bool {
	return slices.ContainsFunc(c.DPDK.Args, func(a string) bool {
		made, _, _ := strings.Cut(strings.TrimPrefix(a, "--vdev="), ",")
		return made == name
	})
}

// deviceRemedy returns what may be meant by a device that no driver takes: a PCI address or a
// driver.
func (c *checker) deviceRemedy(name, args string) string {
	if args != "" {
		args = "," + args
	}
	bare := deviceNumber.ReplaceAllString(name, "")
	number := name[len(bare):]
	switch rest, bus := strings.CutPrefix(name, "vdev:"); {
	case bus:
		return fmt.Sprintf("leave the bus out: %q", rest+args)
	case pciLike.MatchString(name):
		return `write a PCI address as "0000:3b:00.0": domain, bus, device and function`
	}
	if driver, ok := nearestDriver(strings.ToLower(bare)); ok {
		return fmt.Sprintf("did you mean %q?", driver+number+args)
	}
	return deviceForm
}

// nearestDriver returns the driver whose name is meant, given without the number of the device.
func nearestDriver(bare string) (string, bool) {
	var names []string
	for _, d := range vdevs {
		names = append(names, d.name)
	}
	// tap0 is a usual name of an interface.
	if long := "net_" + bare; slices.Contains(names, long) && bare != "tap" && bare != "tun" {
		return long, true
	}
	if !strings.Contains(bare, "_") {
		return "", false
	}
	return Nearest(bare, names)
}
