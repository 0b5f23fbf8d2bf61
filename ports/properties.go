package ports

import (
	"errors"
	"fmt"
	"slices"
)

// Limits of properties that come from another process.
const (
	maxName   = 4096    // bytes of a port's or a device's name
	maxMTU    = 1 << 16 // bytes of an IP packet
	maxQueues = 1 << 10 // RTE_MAX_QUEUES_PER_PORT of DPDK
	maxKey    = 1<<8 - 1
	maxTable  = 1<<16 - 1
)

// Properties are what does not change while a port is open. They are encoded as JSON for the
// process that takes the port over.
type Properties struct {
	Name   string     `json:"name"`   // as configured
	Device string     `json:"device"` // the device's own name
	MAC    [6]byte    `json:"mac"`
	MTU    int        `json:"mtu"`    // bytes of an IP packet
	Queues int        `json:"queues"` // queues in use
	RSS    *RSSConfig `json:"rss"`    // nil for a port without RSS
}

// PropertiesOf returns the properties of a port.
func PropertiesOf(p Port) Properties {
	all := Properties{
		Name: p.Name(), Device: p.Device(), MAC: p.MAC(), MTU: p.MTU(), Queues: p.Queues(),
	}
	if rss := p.RSS(); rss != nil {
		c := rss.Config()
		all.RSS = &c
	}
	return all
}

// Validate returns an error for properties that no port has.
func (p Properties) Validate() error {
	switch {
	case p.Name == "" || len(p.Name) > maxName || len(p.Device) > maxName:
		return fmt.Errorf("name of %d bytes, device of %d: give 1 to %d bytes",
			len(p.Name), len(p.Device), maxName)
	case p.MTU < 1 || p.MTU > maxMTU:
		return fmt.Errorf("port %q: MTU %d: give 1 to %d", p.Name, p.MTU, maxMTU)
	case p.Queues < 1 || p.Queues > maxQueues:
		return fmt.Errorf("port %q: %d queues: give 1 to %d", p.Name, p.Queues, maxQueues)
	case p.RSS == nil:
		return nil
	}
	if err := p.RSS.validateFor(p.Queues); err != nil {
		return fmt.Errorf("port %q: receive-side scaling: %w", p.Name, err)
	}
	return nil
}

// validateFor returns an error for a configuration that no device with that many queues has.
func (c RSSConfig) validateFor(queues int) error {
	if err := c.Validate(); err != nil {
		return err
	}
	t := c.Types
	for _, h := range []Hashed{t.TCP4, t.UDP4, t.Other4, t.TCP6, t.UDP6, t.Other6} {
		if h > HashedPorts {
			return fmt.Errorf("set %d of hashed fields: give 0 to %d", h, HashedPorts)
		}
	}
	if len(c.Key) > maxKey || len(c.Table) > maxTable {
		return fmt.Errorf("key of %d bytes, table of %d entries: at most %d and %d", len(c.Key),
			len(c.Table), maxKey, maxTable)
	}
	if most := int(slices.Max(c.Table)); most >= queues {
		return fmt.Errorf("the table names queue %d of %d", most, queues)
	}
	return nil
}

// Differ returns an error that names each property in which other differs, or nil.
func (p Properties) Differ(other Properties) error {
	var failed []error
	for _, one := range []struct {
		what        string
		mine, other any
	}{
		{"name", p.Name, other.Name},
		{"device", p.Device, other.Device},
		{"MAC", p.MAC, other.MAC},
		{"MTU", p.MTU, other.MTU},
		{"number of queues", p.Queues, other.Queues},
	} {
		if one.mine != one.other {
			failed = append(failed, fmt.Errorf("port %q: the %s was %v and is %v", p.Name, one.what,
				one.mine, one.other))
		}
	}
	if !p.RSS.equal(other.RSS) {
		failed = append(failed, fmt.Errorf("port %q: the receive-side scaling has changed", p.Name))
	}
	return errors.Join(failed...)
}

func (c *RSSConfig) equal(other *RSSConfig) bool {
	if c == nil || other == nil {
		return c == other
	}
	return slices.Equal(c.Key, other.Key) && slices.Equal(c.Table, other.Table) &&
		c.Spread == other.Spread && c.Types == other.Types
}
