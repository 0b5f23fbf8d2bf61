package lab

import (
	"fmt"
	"net/netip"
	"strings"

	"fulcrum/lvs"
)

// Drawing returns the topology and the way of the packets as a few lines of text.
func (l *Lab) Drawing() string {
	arms := []string{"", "one arm", "two arms"}[l.config.Arms]
	lines := []string{
		"",
		fmt.Sprintf("  %s, %s (lab %s)", l.config.Mode, arms, l.record.ID),
		"",
		"      client     " + span(l.plan.clients),
		"        |  ^",
		"        v  |",
		"      router     " + l.routerAddresses(),
		"        |  ^",
	}
	if l.config.Mode.TwoWay() {
		lines = append(lines, l.drawThrough()...)
	} else {
		lines = append(lines, l.drawStraight()...)
	}
	lines = append(lines, l.drawRealServers()...)
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return text.String()
}

// drawThrough draws responses that take the way of the requests back.
func (l *Lab) drawThrough() []string {
	lines := []string{
		fmt.Sprintf("        |  |     front %s", l.plan.frontNet),
		"        v  |",
		"      director   " + l.directorAddresses(),
		fmt.Sprintf("        |  ^     VIP %s tcp, %s udp", l.plan.web, l.plan.echo),
	}
	if l.config.Mode.Source() == lvs.Local {
		lines = append(lines, "        |  |     local addresses "+span(l.plan.local))
	}
	return append(lines,
		"        |  |     "+l.serverSide(),
		"        v  |",
		"        +--+"+l.branches()[min(4, len(l.branches())):],
	)
}

// drawStraight draws responses that go from the real servers to the router, past the director.
func (l *Lab) drawStraight() []string {
	beside := func(text, remark string) string { return fmt.Sprintf("%-58s|%s", text, remark) }
	return []string{
		"        |  +----------------------------------------------+",
		beside(fmt.Sprintf("        |        front %s", l.plan.frontNet), ""),
		beside("        v", ""),
		beside("      director   "+l.directorAddresses(), "  responses"),
		beside(fmt.Sprintf("        |        VIP %s tcp, %s udp", l.plan.web, l.plan.echo),
			"  go straight"),
		beside("        |        "+l.serverSide(), ""),
		beside("        v", ""),
		"        " + l.branches() + strings.Repeat("-", 50-len(l.branches())) + "+",
	}
}

// mostDrawn is the number of real servers that have a place in the drawing. If there are more, its
// last place says so.
const mostDrawn = 4

// branches draws the line from which a branch leads to each real server.
func (l *Lab) branches() string {
	return "+" + strings.Repeat("---------------+", min(len(l.plan.realServers), mostDrawn)-1)
}

func (l *Lab) drawRealServers() []string {
	stems, names, addresses := "        ", "      ", "      "
	all := l.plan.realServers
	for i, rs := range all[:min(len(all), mostDrawn)] {
		name, address := rs.Name, rs.Web.String()
		if more := len(all) - i; i == mostDrawn-1 && more > 1 {
			name, address = fmt.Sprintf("%d more", more), "to "+all[len(all)-1].Web.Addr().String()
		}
		stems += fmt.Sprintf("%-16s", "|")
		names += fmt.Sprintf("%-16s", name)
		addresses += fmt.Sprintf("%-16s", address)
	}
	return []string{stems, names, addresses, "      " + l.preparation(), ""}
}

func (l *Lab) routerAddresses() string {
	var list []string
	for _, n := range l.plan.networks {
		list = append(list, n.routers[0].Addr().String())
	}
	return strings.Join(list, ", ")
}

func (l *Lab) directorAddresses() string {
	var list []string
	for _, p := range l.plan.ports {
		list = append(list, fmt.Sprintf("%s (%s)", p.Address.Addr(), p.Name))
	}
	return strings.Join(list, ", ")
}

func (l *Lab) serverSide() string {
	if l.config.Arms == 1 {
		return "front again"
	}
	return fmt.Sprintf("back %s", l.plan.serverNet)
}

// preparation describes in one line how the real servers were prepared.
func (l *Lab) preparation() string {
	switch mode := l.config.Mode; {
	case mode.Path() == lvs.Tunnel:
		return fmt.Sprintf("each: VIP on lo, decapsulation, rp_filter=0, gateway %s (router)",
			l.plan.serverRouter())
	case !mode.TwoWay():
		return fmt.Sprintf("each: VIP on lo, arp_ignore=1, arp_announce=2, gateway %s (router)",
			l.plan.serverRouter())
	case mode.Source() == lvs.Client:
		return fmt.Sprintf("each: gateway %s (director)", l.plan.serverDirector())
	default:
		return "each: nothing prepared; the local addresses are on their subnet"
	}
}

// span writes consecutive addresses in short form: 10.9.0.1-8.
func span(list []netip.Addr) string {
	last := list[len(list)-1].AsSlice()
	if list[0].Is6() {
		return fmt.Sprintf("%s-%x", list[0], last[15])
	}
	return fmt.Sprintf("%s-%d", list[0], last[3])
}
