package director

import (
	"fmt"

	"fulcrum/config"
	"fulcrum/guard"
)

// lookBelow looks at the interfaces below host interfaces. Below one without addresses the kernel
// gets nothing: what is for the host comes by the host interface. One with addresses is left alone,
// since an operator may work over it; Running warns of it. It returns by port what goes wrong. The
// caller holds mu.
func (g *guarding) lookBelow(c *config.Config, h *guard.Host) [][]string {
	all := make([][]string, len(c.Ports))
	for i := range c.Ports {
		p := &c.Ports[i]
		if p.Host == "" || p.Below() == "" {
			continue
		}
		has, exists, err := h.On(p.Below(), p.VLAN)
		if err == nil && sharesHost(p) {
			err = g.setDeaf(i, p, exists && len(has) == 0)
		}
		if err != nil {
			all[i] = append(all[i], fmt.Sprintf("what %s brings cannot be hidden from it, as %s needs: %v",
				p.Below(), p.Host, err))
		}
	}
	return all
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
