package dpvs

import (
	"fmt"
	"math/bits"
	"regexp"
)

// What the configuration takes of a port.
const (
	leastDescriptors, mostDescriptors = 64, 4096
	leastMTU, mostMTU                 = 576, 9600
	mostBondMode                      = 6
)

// validName is the form of a port's name.
var validName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

// device is a device or a bond that is being read.
type device struct {
	*entry
	Port
	slave bool // of a bond: not a port itself
}

// takeDevice reads a device or a bond. Some versions of DPVS call a bond a device, too.
func (i *importer) takeDevice(e *entry) {
	name := e.value()
	first := i.names[name]
	switch {
	case !e.open:
		i.Wrong(e.place, "%s: missing block: add { and }", e)
	case !validName.MatchString(name):
		i.Wrong(e.place, "invalid name %q: write at most 63 letters and digits, with . _ - between them",
			name)
	case first != nil:
		i.Wrong(e.place, "%s: is already defined at %s: rename one of them", e, first.place)
	default:
		d := &device{entry: e, Port: Port{Name: name}}
		for _, x := range e.block {
			i.takeDeviceKey(d, x)
		}
		i.names[name], i.devices = d, append(i.devices, d)
	}
}

func (i *importer) takeDeviceKey(d *device, x *entry) {
	switch x.words[0] {
	case "rx":
		i.takeRing(x, &d.RxDescriptors)
	case "tx":
		i.takeRing(x, &d.TxDescriptors)
	case "mtu":
		i.takeMTU(d, x)
	case "mode":
		d.BondMode, _ = i.number(x, 0, mostBondMode)
	case "slave":
		d.Slaves = append(d.Slaves, x.value())
	case "primary":
		d.Primary = x.value()
	default:
		i.leaveKey("netif_defs.device."+x.words[0], x)
	}
}

// takeRing reads the block of a device's receive or transmit queues.
func (i *importer) takeRing(e *entry, descriptors *int) {
	for _, x := range e.block {
		if x.words[0] != "descriptor_number" {
			i.leaveKey("netif_defs.device.ring."+x.words[0], x)
			continue
		}
		n, ok := i.number(x, 1, 1<<16-1)
		if !ok {
			continue
		}
		if *descriptors = ringSize(n); *descriptors != n {
			i.Leave(x.place, x.String(), fmt.Sprintf("descriptors are a power of two from %d to %d: it "+
				"becomes %d", leastDescriptors, mostDescriptors, *descriptors))
		}
	}
}

// ringSize returns the least number of descriptors from n that the configuration takes.
func ringSize(n int) int {
	return min(max(1<<bits.Len(uint(n-1)), leastDescriptors), mostDescriptors)
}

func (i *importer) takeMTU(d *device, x *entry) {
	n, ok := i.number(x, 0, mostMTU)
	if ok && n < leastMTU {
		i.Leave(x.place, x.String(), fmt.Sprintf("the least MTU is %d, the default 1500", leastMTU))
		n = 0
	}
	d.MTU = n
}

// resolvePorts makes ports of the devices. A bond is a port in place of its slaves, with the queues
// and the MTU of its primary.
func (i *importer) resolvePorts() {
	for _, d := range i.devices {
		i.resolveBond(d)
	}
	for _, d := range i.devices {
		if !d.slave {
			i.result.Ports = append(i.result.Ports, d.Port)
		}
	}
}

func (i *importer) resolveBond(d *device) {
	for _, name := range d.Slaves {
		slave := i.names[name]
		switch {
		case slave == nil || len(slave.Slaves) > 0:
			i.Wrong(d.place, "%s: unknown slave %q: name a device of this file", d, name)
			return
		case slave.slave:
			i.Wrong(d.place, "%s: slave %q belongs to a bond already", d, name)
			return
		}
		slave.slave = true
		if name == d.Primary || d.Primary == "" && name == d.Slaves[0] {
			d.RxDescriptors, d.TxDescriptors = slave.RxDescriptors, slave.TxDescriptors
			d.MTU = max(d.MTU, slave.MTU)
		}
	}
	if first := i.names[d.Primary]; d.Primary != "" && (first == nil || !first.slave) {
		i.Wrong(d.place, "%s: primary %q is not one of its slaves", d, d.Primary)
	}
}
