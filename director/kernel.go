package director

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/guard"
	"fulcrum/lvs"
	"fulcrum/match"
	"fulcrum/packet"
)

// claimed are the VIPs and local addresses that the host has too.
type claimed struct {
	revision     string // of the configuration that was compared
	host         []netip.Addr
	vips, locals []netip.Addr
}

// look compares a configuration with the host's addresses, if either has changed.
func (c *claimed) look(of *config.Config, revision string, h *guard.Host) {
	if c.revision == revision && slices.Equal(c.host, h.Addresses) {
		return
	}
	*c = claimed{revision: revision, host: h.Addresses}
	var vips []lvs.Match
	locals := map[netip.Addr]bool{}
	for i := range of.Services {
		s := &of.Services[i]
		vips = append(vips, of.Claims(s)...)
		for _, a := range s.LocalAddresses {
			locals[a] = true
		}
	}
	spans := match.SpansOf(vips)
	c.vips = had(h, func(a netip.Addr) bool { return spans.Has(packet.AddrOf(a)) })
	c.locals = had(h, func(a netip.Addr) bool { return locals[a] })
}

// had returns those of the host's addresses that the director has too.
func had(h *guard.Host, has func(netip.Addr) bool) (list []netip.Addr) {
	for _, a := range h.Addresses {
		if has(a) && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

// mostClaimed bounds how many addresses a warning names.
const mostClaimed = 4

func named(list []netip.Addr) string {
	var names []string
	for _, a := range list[:min(len(list), mostClaimed)] {
		names = append(names, a.String())
	}
	text := strings.Join(names, ", ")
	if more := len(list) - mostClaimed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// answers says why the kernel answers packets of a port, and what to do.
func (c *claimed) answers(p *config.Port, h *guard.Host) (all []string) {
	if p.Interface() == "" {
		return nil
	}
	if settings := h.Forwarding(p.Interface(), p.VLAN); len(settings) > 0 && !p.Guard {
		all = append(all, fmt.Sprintf("it forwards the director's packets (%s), with redirects and "+
			"unreachables; set guard = true on the port, or turn forwarding off",
			strings.Join(settings, ", ")))
	}
	if len(c.vips) > 0 && !p.Guard {
		all = append(all, fmt.Sprintf("the host has the VIP %s too, and resets connections; "+
			"set guard = true on the port, or remove the address from the host", named(c.vips)))
	}
	if len(c.locals) > 0 {
		all = append(all, fmt.Sprintf("the host has the local address %s too, and resets the "+
			"director's connections; choose another one, or remove it from the host", named(c.locals)))
	}
	return all
}

// known returns what is known of each port, with the answers of the last look. The caller holds mu.
func (g *guarding) known(c *config.Config) []control.KernelPort {
	ports := make([]control.KernelPort, len(c.Ports))
	copy(ports, *g.shown.Load())
	for i, p := range c.Ports {
		ports[i].Guarded, ports[i].Hidden = g.on[i], 0
		if g.on[i] {
			ports[i].Hidden = g.guard.Hidden(p.Interface(), p.VLAN)
		}
	}
	return ports
}

// findOut finds out why the kernel answers at each port, besides what is below host interfaces, and
// logs what is new. The caller holds mu.
func (g *guarding) findOut(c *config.Config, h *guard.Host, below [][]string) {
	ports := g.known(c)
	for i := range c.Ports {
		before := ports[i].Answers
		ports[i].Answers = below[i]
		if !g.deaf[i] {
			ports[i].Answers = append(ports[i].Answers, g.claimed.answers(&c.Ports[i], h)...)
		}
		for _, why := range ports[i].Answers {
			if !slices.Contains(before, why) {
				g.cfg.Log.Warn(control.KernelWarning(why), "port", c.Ports[i].Name)
			}
		}
	}
	g.shown.Store(&ports)
}
