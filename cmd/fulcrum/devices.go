package main

import (
	"errors"
	"log/slog"

	"fulcrum/config"
	"fulcrum/ports"
	"fulcrum/ports/dpdk"
)

// device is what the ports on a device want of it together.
type device struct {
	config.Port       // the first port, with the largest values that any of them has
	members     []int // indices of the ports
}

// devices gives the devices of a configuration in the order of their first ports.
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

// whole says whether the device is one port as it is.
func (d *device) whole() bool { return len(d.members) == 1 && d.VLAN == 0 }

// dpdkDevices opens the ports of a configuration on DPDK (director.Devices).
type dpdkDevices struct {
	log   *slog.Logger
	cfg   *config.Config
	eal   *dpdk.EAL    // nil if DPDK did not start
	ports []ports.Port // in the configuration's order; nil where one is not open
}

// Open starts DPDK, whose main lcore does no work, opens all devices, and splits those that are
// several ports or have tags.
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

// EnterThread makes a worker's thread one of DPDK's.
func (d *dpdkDevices) EnterThread() error { return d.eal.RegisterThread() }

// LeaveThread undoes EnterThread.
func (d *dpdkDevices) LeaveThread() { d.eal.UnregisterThread() }

// Close gives back the ports, and ends DPDK.
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

// openDevice opens a device under the name of its first port. txDescriptors are those of a queue of each device.
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
