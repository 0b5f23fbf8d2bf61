package keepalived

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"fulcrum/config"
	"fulcrum/lvs"
)

// target is what a virtual server listens on: addresses with a port or all ports, or a mark.
type target struct {
	lvs.Match        // without protocol; zero for a mark
	mark      uint32 // 0 for addresses
	family    string // of a mark: inet or inet6; "" if the group does not say
}

// portsOf returns the range of a port in keepalived's file. Port 0 is every port.
func portsOf(port uint16) lvs.Ports {
	if port == 0 {
		return lvs.AllPorts
	}
	return lvs.Ports{First: port, Last: port}
}

// targets returns what a virtual server listens on.
func (i *importer) targets(e *entry) []target {
	var t target
	var ok bool
	switch e.value() {
	case "group":
		return i.groupTargets(e)
	case "fwmark":
		t, ok = i.mark(e, e.words[2:])
	default:
		var a netip.AddrPort
		a, ok = i.socket(e)
		t.Match = lvs.Match{First: a.Addr(), Last: a.Addr(), Ports: portsOf(a.Port())}
	}
	if !ok {
		return nil
	}
	return []target{t}
}

// mark parses "N [inet|inet6]".
func (i *importer) mark(e *entry, words []string) (target, bool) {
	number, family := strings.Join(words, " "), ""
	if len(words) == 2 && isFamily(words[1]) {
		number, family = words[0], words[1]
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || n == 0 {
		i.Wrong(e.place, "invalid mark %q: write a number from 1 to %d%s", number,
			uint32(math.MaxUint32), hint(number))
		return target{}, false
	}
	i.Leave(e.place, e.String(), unmarked)
	return target{mark: uint32(n), family: family}, true
}

func isFamily(word string) bool { return word == "inet" || word == "inet6" }

// takeFamily reads ip_family.
func (i *importer) takeFamily(s *service, e *entry) {
	if !isFamily(e.value()) {
		i.Wrong(e.place, "unknown ip_family %q: write inet or inet6%s", e.value(), hint(e.value()))
	}
	s.family = e
}

// leaveFamily notes an ip_family without a mark.
func (i *importer) leaveFamily(s *service) {
	if s.family != nil && !slices.ContainsFunc(s.targets, target.marked) {
		i.Leave(s.family.place, s.family.String(), "applies to firewall marks only")
	}
}

func (t target) marked() bool { return t.mark != 0 }

// allMarks reports whether a virtual server listens on marks only, so that it has no protocol.
func (s *service) allMarks() bool {
	return len(s.targets) > 0 &&
		!slices.ContainsFunc(s.targets, func(t target) bool { return !t.marked() })
}

// takeAllPorts makes a virtual server persistent that has a target of all ports, as keepalived
// does.
func (i *importer) takeAllPorts(s *service) {
	all := func(t target) bool { return t.Ports == lvs.AllPorts }
	if s.Persistence == 0 && slices.ContainsFunc(s.targets, all) {
		s.Persistence = defaultPersistence
		i.Leave(s.place, s.String(), "listens on all ports without persistence_timeout: "+
			"its persistence is 6m, as in keepalived")
	}
}

// service returns a virtual server's service for a target.
func (t target) service(s *service) config.Service {
	c := s.Service
	switch {
	case t.marked():
		c.Protocol, c.Mark = 0, t.mark
		c.Address = lvs.IDOfMark(t.mark, s.markIs6(t)).Address
		return c
	case t.Single():
		c.Address = netip.AddrPortFrom(t.First, t.Ports.First)
		return c
	}
	t.Protocol = c.Protocol
	c.Address, c.Addresses = netip.AddrPortFrom(t.First, t.Ports.First), []lvs.Match{t.Match}
	return c
}

// markIs6 reports whether a mark's clients come over IPv6: if the file says so, or else if the
// group's addresses or all real servers are of IPv6, or if the granularity is a prefix length.
func (s *service) markIs6(t target) bool {
	switch {
	case t.family != "":
		return t.family == "inet6"
	case s.family != nil:
		return s.family.value() == "inet6"
	}
	var addresses, servers []netip.Addr
	for _, other := range s.targets {
		if !other.marked() {
			addresses = append(addresses, other.First)
		}
	}
	for n := range s.servers {
		servers = append(servers, s.servers[n].Address.Addr())
	}
	for _, all := range [][]netip.Addr{addresses, servers} {
		if len(all) > 0 && !slices.ContainsFunc(all, otherFamily(all[0])) {
			return all[0].Is6()
		}
	}
	return s.granularity != nil && !strings.Contains(s.granularity.value(), ".")
}

// otherFamily returns whether an address is of another IP version.
func otherFamily(than netip.Addr) func(netip.Addr) bool {
	return func(a netip.Addr) bool { return a.Is6() != than.Is6() }
}

// comesTo names where a service's clients come to: its first address, or its mark.
func comesTo(c config.Service) string {
	if c.Mark != 0 {
		return c.ID().Destination()
	}
	return c.Address.Addr().String()
}
