package director

import (
	"errors"

	"fulcrum/config"
	"fulcrum/packet"
	"fulcrum/ports"
)

// Devices opens the ports of a configuration: on DPDK in the binary, in memory in a test.
type Devices interface {
	// Open opens all ports, in the configuration's order, with as many queues as there are workers
	// or fewer. cpu is for threads that devices have besides the workers' and that hardly ever run.
	Open(c *config.Config, cpu int) ([]ports.Port, error)
	// EnterThread and LeaveThread are called on each worker's thread, before its first and after
	// its last use of a queue.
	EnterThread() error
	LeaveThread()
	// Close gives back the ports and what they run on. It is called once after Open, also after one
	// that failed.
	Close() error
}

// devices is the part that has the ports open.
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
