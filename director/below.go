package director

import (
	"fmt"
	"net/netip"
	"strings"

	"fulcrum/config"
	"fulcrum/guard"
)

// lookBelow looks at the interfaces below host interfaces. Below one without addresses the kernel
// gets nothing: what is for the host comes by the host interface. One with addresses is left alone,
// since an operator may work over it. It returns by port what is to be said. The caller holds mu.
func (g *guarding) lookBelow(c *config.Config, h *guard.Host) [][]string {
	all := make([][]string, len(c.Ports))
	for i := range c.Ports {
		p := &c.Ports[i]
		if p.Host == "" || p.KernelInterface() == "" {
			continue
		}
		has, err := h.On(p.KernelInterface(), p.VLAN)
		if err == nil && sharesHost(p) {
			err = g.setDeaf(i, p, len(has) == 0)
		}
		if err != nil {
			all[i] = append(all[i], fmt.Sprintf("what %s brings cannot be hidden from it, as %s needs: %v",
				p.KernelInterface(), p.Host, err))
		}
		if len(has) > 0 {
			all[i] = append(all[i], addressesBelow(p, has))
		}
	}
	return all
}

// addressesBelow says that both interfaces have addresses.
func addressesBelow(p *config.Port, has []netip.Prefix) string {
	var list []string
	for _, a := range has[:min(len(has), mostClaimed)] {
		list = append(list, a.String())
	}
	if more := len(has) - mostClaimed; more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%s has addresses (%s), and so has the port's host interface %s; "+
		"move them there: fulcrum host adopt %s", p.KernelInterface(), strings.Join(list, ", "), p.Host,
		p.Name)
}

// setDeaf hides from the kernel all that the interface below brings, or shows it again.
func (g *guarding) setDeaf(port int, p *config.Port, deaf bool) (err error) {
	switch {
	case deaf == g.deaf[port]:
		return nil
	case deaf:
		err = g.guard.Deafen(p.Interface(), p.VLAN)
	default:
		err = g.guard.Hear(p.Interface(), p.VLAN)
	}
	if err == nil {
		g.deaf[port] = deaf
	}
	return err
}
