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

// dpdkDevices opens the ports of a configuration on DPDK. It implements director.Handing.
type dpdkDevices struct {
	log    *slog.Logger
	cfg    *config.Config
	eal    *dpdk.EAL            // nil if DPDK did not start
	ports  []ports.Port         // in the configuration's order; nil where one is not open
	opened map[string]dpdk.Port // by the device as configured

	told   *toldDevices // of the process that hands its devices over; nil without one
	leaves bool         // another process goes on with the devices that two can have at once
}

// Open starts DPDK and opens all devices. A device that several ports share, or that has VLANs, is
// split into its ports. DPDK's main lcore does no work.
func (d *dpdkDevices) Open(cfg *config.Config, cpu int) ([]ports.Port, error) {
	if err := d.start(cfg, cpu); err != nil {
		return nil, err
	}
	for _, c := range d.portConfigs() {
		split, err := d.openDevice(c)
		if err != nil {
			return nil, err
		}
		for i, p := range split {
			d.ports[c.members[i]] = p
		}
	}
	return d.ports, nil
}

// start starts DPDK. It attaches no device that another process hands over.
func (d *dpdkDevices) start(cfg *config.Config, cpu int) (err error) {
	d.cfg, d.ports = cfg, make([]ports.Port, len(cfg.Ports))
	d.opened = map[string]dpdk.Port{}
	c := dpdk.Config{
		HugePages: cfg.DPDK.Hugepages, Memory: cfg.DPDK.Memory, Args: cfg.DPDK.Args, CPU: cpu,
		Beside: d.told != nil,
	}
	for _, one := range devices(cfg.Ports) {
		c.Devices = append(c.Devices, one.Device)
	}
	if d.eal, err = dpdk.Start(c); err != nil {
		return err
	}
	for _, n := range d.eal.Notes() {
		d.log.Info(n)
	}
	return nil
}

// EnterThread registers a worker's thread with DPDK.
func (d *dpdkDevices) EnterThread() error { return d.eal.RegisterThread() }

// LeaveThread undoes EnterThread.
func (d *dpdkDevices) LeaveThread() { d.eal.UnregisterThread() }

// Close closes the ports and ends DPDK. Devices with which another process goes on are left as they
// are.
func (d *dpdkDevices) Close() (err error) {
	d.told.close()
	if d.leaves {
		err = d.leave(func(string) bool { return true })
	} else {
		err = d.closePorts()
	}
	if d.eal != nil {
		err = errors.Join(err, d.eal.Close())
	}
	return err
}

func (d *dpdkDevices) closePorts() (err error) {
	for _, p := range d.ports {
		if p != nil {
			err = errors.Join(err, p.Close())
		}
	}
	return err
}

// devicePort is a device and how it is opened.
type devicePort struct {
	device
	config dpdk.PortConfig
}

// portConfigs returns how the devices are opened: each under the name of its first port.
func (d *dpdkDevices) portConfigs() (configs []devicePort) {
	workers := len(d.cfg.Director.Workers)
	all, spreads := devices(d.cfg.Ports), portSpreads(d.cfg)
	for _, one := range all {
		configs = append(configs, devicePort{one, dpdk.PortConfig{
			Name:             one.Name,
			Device:           one.Device,
			Index:            one.members[0],
			Queues:           workers,
			RxDescriptors:    one.RxDescriptors,
			TxDescriptors:    one.TxDescriptors,
			AllTxDescriptors: workers * txDescriptors(all),
			MTU:              one.MTU,
			Spread:           spreads[one.members[0]],
		}})
	}
	return configs
}

// openDevice opens a device and returns its ports in the order of its members.
func (d *dpdkDevices) openDevice(c devicePort) ([]ports.Port, error) {
	p, err := d.eal.OpenPort(c.config)
	if err != nil {
		return nil, err
	}
	d.opened[c.Device] = p
	return d.split(p, c.device)
}

// txDescriptors returns the sum of the devices' transmit descriptors per queue.
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
