package dpdk

// Why this is sound: strings passed to C are C copies, freed after the call. Structures are Go
// memory without Go pointers, and C does not keep them.

// #include <stdlib.h>
// #include <rte_dev.h>
// #include <rte_ethdev.h>
// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"fulcrum/host"
)

// OpenPort opens a device, configures it, and starts it. It may be called from any goroutine.
func (e *EAL) OpenPort(c PortConfig) (Port, error) {
	c = c.withDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, c.fail("opening the port", os.ErrClosed, "DPDK has been stopped")
	}
	for end := time.Now().Add(queueDeadline); ; time.Sleep(time.Millisecond) {
		p, err := e.tryOpen(c)
		if err == nil {
			HideFromChildren()
			return p, nil
		}
		if !c.waitsForQueue() || time.Now().After(end) {
			return nil, err
		}
	}
}

// queueDeadline is how long a port that takes over tries to get the queues of an interface.
const queueDeadline = time.Second

// waitsForQueue reports whether the device may not be free yet: the kernel frees a queue of
// net_af_xdp a moment after the other process has closed its socket. The driver of DPDK 22.11 has
// to be attached anew for each try.
func (c PortConfig) waitsForQueue() bool { return c.Beside != nil && parseDevice(c.Device).isXDP() }

// tryOpen leaves nothing behind if it fails, but the buffers for the next try.
func (e *EAL) tryOpen(c PortConfig) (*port, error) {
	p := &port{eal: e, config: c, device: parseDevice(c.Device), workers: c.Queues}
	p.spreadOverSockets()
	p.askForMAC()
	e.ports = append(e.ports, p)
	if err := p.open(); err != nil {
		// The other process still uses the interface, or the next try will.
		p.leaves = c.Beside != nil && Shares(c.Device) || c.waitsForQueue()
		kept := p.pool
		if c.waitsForQueue() {
			p.pool = nil
		}
		err = errors.Join(err, p.close())
		if kept != nil && c.waitsForQueue() {
			kept.refill() // the driver keeps those of a queue that it does not get
			e.prepared[c.Device] = kept
		}
		return nil, err
	}
	return p, nil
}

// open runs the steps in order. Each needs those before it.
func (p *port) open() error {
	mark := markLog()
	steps := []func() *Error{
		p.claim, p.findInterface, p.probe, p.takeQueues, p.checkLimits, p.makePool, p.configure,
		p.takeMAC, p.setUpQueues, p.setMTU, p.start, p.findMade, p.listenToMulticast, p.describe,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			err.Log = mark.lines()
			return err
		}
	}
	p.learnSpread()
	p.noteLink()
	p.noteMerging()
	return nil
}

// note records a sentence for the operator, for example about a missing ability.
func (p *port) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// fail returns an error for a DPDK call that returned rc.
func (p *port) fail(doing string, rc C.int, try string) *Error {
	return p.config.fail(doing, errno(int(rc)), try)
}

// claim fails if another port or process uses the device.
func (p *port) claim() *Error {
	for _, other := range p.eal.ports {
		if other != p && other.device.name == p.device.name {
			return p.config.fail("opening device "+p.device.name, syscall.EBUSY,
				fmt.Sprintf("port %q uses it; give each port a different device", other.config.Name))
		}
	}
	iface := p.device.kernelInterface()
	if iface == "" {
		return nil
	}
	listener, err := p.config.claim(iface)
	if err != nil {
		return p.config.fail("opening interface "+iface, err,
			"another port or director uses it; name another interface")
	}
	p.claimed = listener
	return nil
}

// probe attaches the device. The EAL has already attached PCI devices that have a driver.
func (p *port) probe() *Error {
	name, text := C.CString(p.device.name), C.CString(p.device.text)
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(text))

	if C.rte_eth_dev_get_port_by_name(name, &p.id) != 0 {
		if err := probeError(C.rte_dev_probe(text)); err != nil {
			return p.config.fail("probing the device", err, p.probeHint())
		}
		if C.rte_eth_dev_get_port_by_name(name, &p.id) != 0 {
			return p.config.fail("looking for the port of the device", syscall.ENODEV, p.probeHint())
		}
	}
	p.probed, p.node = true, int(C.rte_eth_dev_socket_id(p.id))
	if rc := C.rte_eth_dev_info_get(p.id, &p.info); rc != 0 {
		return p.fail("asking for the device's abilities", rc, "")
	}
	return nil
}

// probeError converts the result of rte_dev_probe. A device that the EAL has attached before is no
// error. EFAULT means that no bus or driver knows the name.
func probeError(rc C.int) error {
	if rc == 0 || errno(int(rc)) == syscall.EEXIST {
		return nil
	}
	if errno(int(rc)) == syscall.EFAULT {
		return syscall.ENODEV
	}
	return errno(int(rc))
}

// checkLimits fails for values beyond the limits of the device. DPDK would return EINVAL or
// silently do less.
func (p *port) checkLimits() *Error {
	c, i := &p.config, &p.info
	limits := []struct {
		what          string
		got, min, max int
	}{
		{"receive descriptors", c.RxDescriptors, int(i.rx_desc_lim.nb_min), int(i.rx_desc_lim.nb_max)},
		{"transmit descriptors", c.TxDescriptors, int(i.tx_desc_lim.nb_min), int(i.tx_desc_lim.nb_max)},
		{"bytes of MTU", c.MTU, max(minMTU, int(i.min_mtu)), p.mtuLimit()},
	}
	for _, l := range limits {
		if l.got < l.min || l.got > l.max {
			return p.config.fail(fmt.Sprintf("asking for %d %s", l.got, l.what), syscall.EINVAL,
				fmt.Sprintf("the device takes %d to %d", l.min, l.max))
		}
	}
	return nil
}

// mtuLimit returns the largest MTU that rte_eth_dev_configure accepts. It subtracts Ethernet
// header and FCS from the largest frame unless the driver reports both limits.
func (p *port) mtuLimit() int {
	limit := int(p.info.max_mtu)
	if frame := int(p.info.max_rx_pktlen); limit == 1<<16-1 && frame > 0 {
		limit = min(limit, frame-14-4)
	}
	return limit
}

func (p *port) makePool() *Error {
	if p.takePool() {
		return nil
	}
	doing := fmt.Sprintf("allocating a pool of %d buffers", poolSize(p.config, p.workers))
	if p.eal.ordinary {
		size := poolSize(p.config, p.workers) * dataRoom(p.config.MTU)
		if err := host.CheckMemory(size); err != nil {
			return p.config.fail(doing, err, "give the port fewer descriptors or queues")
		}
	}
	made, err := newPool(p.config, p.workers, p.node)
	if err != nil {
		return p.config.fail(doing, err, "give DPDK more memory, or the port fewer descriptors or queues")
	}
	p.pool = made
	return nil
}

// start starts the device.
func (p *port) start() *Error {
	if rc := C.rte_eth_dev_start(p.id); rc != 0 {
		return p.fail("starting the device", rc, "check the interface or NIC")
	}
	p.started = true
	return nil
}

// describe reads the MAC address and the MTU.
func (p *port) describe() *Error {
	var mac C.struct_rte_ether_addr
	if rc := C.rte_eth_macaddr_get(p.id, &mac); rc != 0 {
		return p.fail("reading the MAC address", rc, "")
	}
	for i, b := range mac.addr_bytes {
		p.mac[i] = byte(b)
	}
	var mtu C.uint16_t
	if rc := C.rte_eth_dev_get_mtu(p.id, &mtu); rc != 0 {
		return p.fail("reading the MTU", rc, "")
	}
	p.mtu = int(mtu)
	return nil
}
