package director

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/hostway"
)

// hosting is the part that gives ports their host interfaces, and moves frames between these and
// the workers. Without a port that has one it does nothing.
type hosting struct {
	*Director
	interfaces []*hostway.Interface // by port; nil for a port without one
	pump       *hostway.Pump        // nil if no port has one
	has        [][]netip.Prefix     // by port: the addresses that the interface was given; of watching
}

func (h *hosting) Start() (err error) {
	c := h.cfg.Config
	h.sayAbandoned()
	if !hosts(c) {
		return nil
	}
	h.interfaces = make([]*hostway.Interface, len(c.Ports))
	h.has = make([][]netip.Prefix, len(c.Ports))
	for i := range c.Ports {
		if err := h.open(i); err != nil {
			return errors.Join(err, h.close())
		}
	}
	h.pump, err = hostway.NewPump(h.interfaces, len(c.Director.Workers), h.note)
	if err != nil {
		return errors.Join(err, h.close())
	}
	if h.cfg.Predecessor == nil {
		h.pump.Start()
	}
	return nil
}

// begin starts to move frames once the predecessor does not.
func (h *hosting) begin() {
	if h.pump != nil {
		h.pump.Start()
	}
}

// open opens the host interface of a port, if it has one.
func (h *hosting) open(port int) (err error) {
	p, device := &h.cfg.Config.Ports[port], h.devices.ports[port]
	if p.Host == "" {
		return nil
	}
	h.has[port] = h.settings.Ports[port].Addresses
	h.interfaces[port], err = hostway.Open(hostway.InterfaceConfig{
		Name: p.Host, MAC: device.MAC(), MTU: device.MTU(), Addresses: h.has[port],
		Open: h.inherited(hostName(p.Host)),
	})
	if err != nil {
		return fmt.Errorf("port %q: %w", p.Name, err)
	}
	h.cfg.Log.Info("host interface open", "port", p.Name, "interface", p.Host)
	return nil
}

// close closes interfaces without a pump.
func (h *hosting) close() (err error) {
	for _, i := range h.interfaces {
		if i != nil {
			err = errors.Join(err, i.Close())
		}
	}
	h.interfaces = nil
	return err
}

// Stop closes the interfaces, which the kernel keeps. Counts stay for the last report.
func (h *hosting) Stop() error {
	if h.pump == nil {
		return nil
	}
	return h.pump.Stop()
}

// links returns what the engine shares with the host's side, or nil if no port has a host
// interface.
func (h *hosting) links() []*hostway.Link {
	if h.pump == nil {
		return nil
	}
	return h.pump.Links()
}

// note logs what has become of an interface that was deleted.
func (h *hosting) note(n hostway.Notice) {
	log := h.cfg.Log.With("port", h.cfg.Config.Ports[n.Port].Name, "interface", n.Interface)
	switch {
	case n.Restored:
		log.Warn("the host interface was made again, with the port's addresses; routes and other " +
			"addresses are lost")
	case n.Err != nil:
		log.Error("the host interface cannot be made again; the next try is in a second",
			"error", n.Err)
	default:
		log.Error("the host interface was deleted")
	}
}

// sayAbandoned names the interfaces that an earlier configuration gave a port.
func (h *hosting) sayAbandoned() {
	if h.cfg.Predecessor != nil {
		return // the predecessor may have just closed an interface
	}
	var macs [][6]byte
	for _, p := range h.devices.ports {
		macs = append(macs, p.MAC())
	}
	for _, name := range hostway.Abandoned(macs) {
		named := func(p config.Port) bool { return p.Host == name }
		if !slices.ContainsFunc(h.cfg.Config.Ports, named) {
			h.cfg.Log.Warn("an interface with the MAC of a port stays, but no port names it as its host "+
				"interface; to remove it: ip tuntap del dev "+name+" mode tap", "interface", name)
		}
	}
}

// look gives the interfaces the addresses that a change of the configuration gave their ports. The
// watching part calls it.
func (h *hosting) look() {
	if h.pump == nil {
		return
	}
	c := h.running.Config()
	for i, iface := range h.interfaces {
		next := c.Ports[i].Addresses
		if iface == nil || slices.Equal(h.has[i], next) {
			continue
		}
		h.has[i] = next
		if err := iface.SetAddresses(next); err != nil {
			h.cfg.Log.Warn("the host interface does not have the addresses of its port",
				"port", c.Ports[i].Name, "error", err)
		}
	}
}

// port returns what is known of a port's host interface, or nil.
func (h *hosting) port(port int) *control.HostInterface {
	if h.pump == nil || h.interfaces[port] == nil {
		return nil
	}
	iface, n := h.interfaces[port], h.pump.Counts(port)
	r := &control.HostInterface{
		Name: iface.Name(), Up: iface.Up(), ToHost: n.ToHost, ToHostBytes: n.ToHostBytes,
		FromHost: n.FromHost, FromHostBytes: n.FromHostBytes, Drops: map[string]uint64{},
	}
	for d, n := range n.Drops {
		if n > 0 {
			r.Drops[hostway.Drop(d).String()] = n
		}
	}
	return r
}

// hosts reports whether a port of a configuration has a host interface.
func hosts(c *config.Config) bool {
	return slices.ContainsFunc(c.Ports, func(p config.Port) bool { return p.Host != "" })
}
