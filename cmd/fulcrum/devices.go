package main

import (
	"errors"
	"log/slog"

	"fulcrum/config"
	"fulcrum/ports"
	"fulcrum/ports/dpdk"
)

// device is a DPDK device with the ports that share it.
type device struct {
	config.Port       // the first port, with the largest values that any of the ports has
	members     []int // indices of the ports in the configuration
}

// devices returns the devices of a configuration in the order of their first ports.
func devices(all []config.Port) []device {
	var found []device
	number := map[string]int{}
	for i, p := range all {
		n, known := number[p.Device]
		if !known {
			n = len(found)
			number[p.Device] = n
			found = append(found, device{Port: p})
		}
		found[n].add(i, p)
	}
	return found
}

func (d *device) add(i int, p config.Port) {
	d.members = append(d.members, i)
	d.RxDescriptors = max(d.RxDescriptors, p.RxDescriptors)
	d.TxDescriptors = max(d.TxDescriptors, p.TxDescriptors)
	d.MTU = max(d.MTU, p.MTU)
}

// whole reports whether the device is a single port without VLAN.
func (d *device) whole() bool { return len(d.members) == 1 && d.VLAN == 0 }

// dpdkDevices opens the ports of a configuration on DPDK. It implements director.Devices.
type dpdkDevices struct {
	log   *slog.Logger
	cfg   *config.Config
	eal   *dpdk.EAL    // nil if DPDK did not start
	ports []ports.Port // in the configuration's order; nil where one is not open
}

// Open starts DPDK and opens all devices. A device that several ports share, or that has VLANs, is
// split into its ports. DPDK's main lcore does no work.
func (d *dpdkDevices) Open(cfg *config.Config, cpu int) (_ []ports.Port, err error) {
	d.cfg = cfg
	all := devices(cfg.Ports)
	c := dpdk.Config{
		HugePages: cfg.DPDK.Hugepages, Memory: cfg.DPDK.Memory, Args: cfg.DPDK.Args, CPU: cpu,
	}
	for _, shared := range all {
		c.Devices = append(c.Devices, shared.Device)
	}
	if d.eal, err = dpdk.Start(c); err != nil {
		return nil, err
	}
	for _, n := range d.eal.Notes() {
		d.log.Info(n)
	}
	return d.openPorts(all)
}

func (d *dpdkDevices) openPorts(all []device) ([]ports.Port, error) {
	d.ports = make([]ports.Port, len(d.cfg.Ports))
	spreads := portSpreads(d.cfg)
	for _, one := range all {
		opened, err := d.openDevice(one, spreads[one.members[0]], txDescriptors(all))
		if err != nil {
			return nil, err
		}
		split, err := d.split(opened, one)
		if err != nil {
			return nil, err
		}
		for i, p := range split {
			d.ports[one.members[i]] = p
		}
	}
	return d.ports, nil
}

// EnterThread registers a worker's thread with DPDK.
func (d *dpdkDevices) EnterThread() error { return d.eal.RegisterThread() }

// LeaveThread undoes EnterThread.
func (d *dpdkDevices) LeaveThread() { d.eal.UnregisterThread() }

// Close closes the ports and ends DPDK.
func (d *dpdkDevices) Close() (err error) {
	for _, p := range d.ports {
		if p != nil {
			err = errors.Join(err, p.Close())
		}
	}
	if d.eal != nil {
		err = errors.Join(err, d.eal.Close())
	}
	return err
}

// openDevice opens a device under the name of its first port. txDescriptors is the sum of the
// devices' transmit descriptors per queue.
func (d *dpdkDevices) openDevice(one device, spread ports.Spread, txDescriptors int) (ports.Port, error) {
	workers := len(d.cfg.Director.Workers)
	return d.eal.OpenPort(dpdk.PortConfig{
		Name:             one.Name,
		Device:           one.Device,
		Index:            one.members[0],
		Queues:           workers,
		RxDescriptors:    one.RxDescriptors,
		TxDescriptors:    one.TxDescriptors,
		AllTxDescriptors: workers * txDescriptors,
		MTU:              one.MTU,
		Spread:           spread,
	})
}

func txDescriptors(all []device) int {
	n := 0
	for _, one := range all {
		n += one.TxDescriptors
	}
	return n
}

func (d *dpdkDevices) split(opened ports.Port, one device) ([]ports.Port, error) {
	if one.whole() {
		return []ports.Port{opened}, nil
	}
	var logical []ports.Logical
	for _, i := range one.members {
		p := d.cfg.Ports[i]
		logical = append(logical, ports.Logical{Name: p.Name, Index: i, VLAN: p.VLAN, MTU: p.MTU})
	}
	return ports.Split(opened, logical, len(d.cfg.Director.Workers))
}
