package director

import (
	"errors"
	"os"

	"fulcrum/config"
	"fulcrum/packet"
	"fulcrum/ports"
)

// Devices opens the ports of a configuration: on DPDK in the binary, in memory in a test.
type Devices interface {
	// Open opens all ports in the configuration's order, with at most one queue for each worker.
	// cpu is for the devices' own threads, which hardly ever run.
	Open(c *config.Config, cpu int) ([]ports.Port, error)
	// EnterThread is called on each worker's thread before it first uses a queue.
	EnterThread() error
	// LeaveThread is called on each worker's thread after it last used a queue.
	LeaveThread()
	// Close closes the ports and releases their resources. It is called once after Open, even if
	// Open failed.
	Close() error
}

// Handing is what Devices do that one process can hand over to another one. What passes between
// them is their own affair. The calls come in this order:
//
//	the process that has them        the process that takes over
//	Handover
//	                                 Prepare: everything that can be done beside the other
//	(workers have stopped) Yield
//	                                 TakeOver, and its workers start
//	Close                            ... Close
type Handing interface {
	Devices
	// Handover returns what the other process's Prepare needs. The caller closes the files.
	Handover() (state []byte, files []*os.File, err error)
	// Yield closes the devices that only one process can have. No queue may be in use any more. The
	// next Close leaves the others as they are.
	Yield() error
	// Prepare is Open for a process that takes over. Ports of devices that the other process still
	// has alone are ports.Late. The files are then the devices'.
	Prepare(c *config.Config, cpu int, state []byte, files []*os.File) ([]ports.Port, error)
	// TakeOver opens the rest, after the other process's Yield. Packets that the other process may
	// have had are thrown away, and their counts left out. Queues of a ports.Late have to be fetched
	// again.
	TakeOver() error
}

// devices is the part that opens and closes the ports.
type devices struct {
	*Director
	ports []ports.Port // valid while the part is started
}

func (d *devices) Start() (err error) {
	if d.ports, err = d.open(); err != nil {
		return errors.Join(err, d.Stop())
	}
	for i, p := range d.ports {
		note(d.cfg.Log, p.Notes())
		d.cfg.Log.Info("port open", "port", p.Name(), "device", p.Device(),
			"vlan", d.cfg.Config.Ports[i].VLAN, "mac", packet.MAC(p.MAC()).String(),
			"mtu", p.MTU(), "queues", p.Queues(), "link", p.Link().Up)
	}
	return nil
}

func (d *devices) open() ([]ports.Port, error) {
	before := d.cfg.Predecessor
	if before == nil {
		return d.cfg.Devices.Open(d.cfg.Config, d.cpus.spare())
	}
	return d.cfg.Devices.(Handing).Prepare(d.cfg.Config, d.cpus.spare(), before.Offer.Devices,
		before.Files.TakeAll(deviceName))
}

func (d *devices) Stop() error { return d.cfg.Devices.Close() }
