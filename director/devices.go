package director

import (
	"errors"

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

// devices is the part that opens and closes the ports.
type devices struct {
	cfg   Config
	cpus  *cpus
	ports []ports.Port // valid while the part is started
}

func (d *devices) Start() (err error) {
	if d.ports, err = d.cfg.Devices.Open(d.cfg.Config, d.cpus.spare()); err != nil {
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

func (d *devices) Stop() error { return d.cfg.Devices.Close() }
