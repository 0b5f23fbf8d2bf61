package director

import (
	"encoding/json"
	"errors"

	"fulcrum/config"
	"fulcrum/handover"
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

// Handing is what Devices do whose ports can be handed over to another process.
type Handing interface {
	// Offer describes the open ports to a successor, with the descriptors that it needs.
	Offer() (json.RawMessage, handover.Files, error)
	// OpenAfter is Open while the ports are those of another process, which has offered them. Ports
	// that two processes cannot have open at once are a ports.Late until OpenLate.
	OpenAfter(c *config.Config, cpu int, offer json.RawMessage, files handover.Files) (
		[]ports.Port, error)
	// OpenLate opens those, and drops what the others have received so far. The workers of the other
	// process have stopped.
	OpenLate() error
	// Yield closes the ports that a successor cannot have open at the same time. The workers have
	// stopped.
	Yield() error
	// Leave is like Close once a successor has the ports. What that uses stays as it is.
	Leave() error
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
	return d.cfg.Devices.(Handing).OpenAfter(d.cfg.Config, d.cpus.spare(), before.Offer.Devices,
		before.Files)
}

func (d *devices) Stop() error {
	if d.upgrade.done() {
		return d.cfg.Devices.(Handing).Leave()
	}
	return d.cfg.Devices.Close()
}
