package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"fulcrum/config"
	"fulcrum/director"
	"fulcrum/ports"
	"fulcrum/ports/dpdk"
)

var _ director.Handing = (*dpdkDevices)(nil)

// handedPort is a port and what was configured of it.
type handedPort struct {
	Properties ports.Properties `json:"properties"`
	Device     string           `json:"device"`
	VLAN       int              `json:"vlan"`
	MTU        int              `json:"mtu"`
}

// handedDevice is a device, and whether a file is its mark. The files have the devices' order.
type handedDevice struct {
	Before dpdk.Before `json:"before"`
	Marked bool        `json:"marked"`
}

// handedDevices is the state that Handover returns, as JSON.
type handedDevices struct {
	Workers int            `json:"workers"`
	Ports   []handedPort   `json:"ports"`   // in the configuration's order
	Devices []handedDevice `json:"devices"` // in the order of their first ports
}

// Handover tells about the open devices.
func (d *dpdkDevices) Handover() (state []byte, files []*os.File, err error) {
	dpdk.HideFromChildren()
	h := handedDevices{Workers: len(d.cfg.Director.Workers)}
	for i, p := range d.ports {
		c := d.cfg.Ports[i]
		h.Ports = append(h.Ports, handedPort{ports.PropertiesOf(p), c.Device, c.VLAN, c.MTU})
	}
	for _, one := range devices(d.cfg.Ports) {
		p := d.opened[one.Device]
		mark, failed := p.Claim()
		if failed != nil {
			closeFiles(files)
			return nil, nil, failed
		}
		if mark != nil {
			files = append(files, mark)
		}
		h.Devices = append(h.Devices, handedDevice{p.Before(), mark != nil})
	}
	state, err = json.Marshal(h)
	return state, files, err
}

func closeFiles(all []*os.File) {
	for _, f := range all {
		f.Close()
	}
}

// Yield closes the devices that two processes cannot have at once.
func (d *dpdkDevices) Yield() error {
	d.leaves = true
	return d.leave(func(device string) bool { return !dpdk.Shares(device) })
}

// leave closes the chosen devices that are open.
func (d *dpdkDevices) leave(chosen func(device string) bool) error {
	var all []dpdk.Port
	for device, p := range d.opened {
		if chosen(device) {
			all = append(all, p)
			delete(d.opened, device)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return d.eal.Leave(all...)
}

// Prepare opens the devices that two processes can have at once.
func (d *dpdkDevices) Prepare(
	cfg *config.Config, cpu int, state []byte, files []*os.File,
) ([]ports.Port, error) {
	var err error
	if d.told, err = parseHandover(cfg, state, files); err != nil {
		closeFiles(files)
		return nil, err
	}
	d.leaves = true
	if err := d.start(cfg, cpu); err != nil {
		return nil, err
	}
	for _, c := range d.takenConfigs() {
		if dpdk.Shares(c.Device) {
			err = d.openBeside(c)
		} else {
			err = d.prepareLate(c)
		}
		if err != nil {
			return nil, err
		}
	}
	return d.ports, nil
}

// takenConfigs returns how the devices are opened that the other process has. Their spread is the
// other's too: it was chosen when that process started.
func (d *dpdkDevices) takenConfigs() []devicePort {
	all := d.portConfigs()
	for i := range all {
		c := &all[i].config
		c.Beside, c.Claim = &d.told.Devices[i].Before, d.told.marks[i]
		if rss := d.told.Ports[all[i].members[0]].Properties.RSS; rss != nil {
			c.Spread = rss.Spread
		}
	}
	return all
}

// openBeside opens a device that the other process has open too.
func (d *dpdkDevices) openBeside(c devicePort) error {
	split, err := d.openDevice(c)
	if err != nil {
		return err
	}
	for i, p := range split {
		number := c.members[i]
		d.ports[number] = p
		err = errors.Join(err, d.told.Ports[number].Properties.Differ(ports.PropertiesOf(p)))
	}
	return err
}

// prepareLate makes the ports of a device that only one process can have.
func (d *dpdkDevices) prepareLate(c devicePort) error {
	if err := d.eal.Prepare(c.config); err != nil {
		return err
	}
	for _, number := range c.members {
		late, err := ports.NewLate(d.told.Ports[number].Properties)
		if err != nil {
			return err
		}
		d.ports[number] = late
	}
	return nil
}

// TakeOver drains the ports that are open, and gives the others their devices. What arrives
// meanwhile waits.
func (d *dpdkDevices) TakeOver() error {
	defer d.told.close()
	d.leaves = false
	ports.Drain(d.sharedPorts()...)
	if err := d.recount(); err != nil {
		return err
	}
	for _, c := range d.takenConfigs() {
		if d.opened[c.Device] != nil {
			continue
		}
		split, err := d.openDevice(c)
		if err != nil {
			return err
		}
		for i, p := range split {
			if err := d.ports[c.members[i]].(*ports.Late).Use(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// sharedPorts returns the ports that the other process has, too.
func (d *dpdkDevices) sharedPorts() (shared []ports.Port) {
	for i, p := range d.ports {
		if dpdk.Shares(d.cfg.Ports[i].Device) {
			shared = append(shared, p)
		}
	}
	return shared
}

func (d *dpdkDevices) recount() (err error) {
	for _, p := range d.opened {
		err = errors.Join(err, p.Recount())
	}
	return err
}

// toldDevices is what the other process has told.
type toldDevices struct {
	handedDevices
	marks []*os.File // by device; nil for one without a mark
}

// close closes the files. They may be closed already, or t nil.
func (t *toldDevices) close() {
	if t != nil {
		closeFiles(t.marks)
	}
}

// parseHandover checks what another process has told against the configuration. It returns an error
// if the ports would not be the same.
func parseHandover(c *config.Config, state []byte, files []*os.File) (*toldDevices, error) {
	t := new(toldDevices)
	if err := json.Unmarshal(state, &t.handedDevices); err != nil {
		return nil, fmt.Errorf("what the running director tells of its ports: %w", err)
	}
	all := devices(c.Ports)
	switch {
	case len(t.Ports) != len(c.Ports) || len(t.Devices) != len(all):
		return nil, fmt.Errorf("the running director has %d ports on %d devices, and the file %d on %d: "+
			"restart it", len(t.Ports), len(t.Devices), len(c.Ports), len(all))
	case t.Workers != len(c.Director.Workers):
		return nil, fmt.Errorf("the running director has %d workers, and the file %d: restart it",
			t.Workers, len(c.Director.Workers))
	}
	for i, p := range t.Ports {
		if err := p.check(c.Ports[i]); err != nil {
			return nil, err
		}
	}
	return t, t.takeMarks(files)
}

// check returns an error if the port is another one than that of the file.
func (p handedPort) check(c config.Port) error {
	if p.Properties.Name != c.Name || p.Device != c.Device || p.VLAN != c.VLAN || p.MTU != c.MTU {
		return fmt.Errorf("port %q (%s, VLAN %d, MTU %d) of the running director is %q (%s, VLAN %d, "+
			"MTU %d) in the file: restart it", p.Properties.Name, p.Device, p.VLAN, p.MTU, c.Name, c.Device,
			c.VLAN, c.MTU)
	}
	return p.Properties.Validate()
}

// takeMarks gives each marked device its file.
func (t *toldDevices) takeMarks(files []*os.File) error {
	left := files
	for i, one := range t.Devices {
		if err := one.Before.Validate(); err != nil {
			return fmt.Errorf("device %d of the running director: %w", i, err)
		}
		var mark *os.File
		if one.Marked {
			if len(left) == 0 {
				return fmt.Errorf("the running director passes %d marks of interfaces: too few", len(files))
			}
			mark, left = left[0], left[1:]
		}
		t.marks = append(t.marks, mark)
	}
	if len(left) > 0 {
		return fmt.Errorf("the running director passes %d marks of interfaces: too many", len(files))
	}
	return nil
}
