package guard

import (
	"net/netip"
	"slices"
)

// Service is what the director serves at one VIP.
type Service struct {
	Protocol uint8          // IANA number
	VIP      netip.AddrPort // invalid for what has no VIP, such as the ports' own addresses
	Locals   []netip.Addr   // addresses whose packets all are the director's
	// Answering are the real servers that answer to clients' addresses by way of the director: those
	// of nat.
	Answering []netip.AddrPort
	// Routed says that the director routes everything else of Answering too.
	Routed bool
}

// role is what an address is to the program. An address may have several.
type role uint32

const (
	director  role = 1 << iota // a VIP, a local address, or a port's own
	host                       // the kernel has it
	answering                  // a real server whose answers pass the director
	routed                     // a host whose packets the director routes
)

// side says which end of a packet an endpoint is.
type side uint8

const (
	serves  side = iota // the destination: a VIP's served port
	answers             // the source: a real server's port
)

// endpoint is a key of the map of served ports, as the program builds it: 20 bytes.
type endpoint struct {
	Address  [16]byte // IPv4 in the mapped form
	Port     [2]byte  // in network order
	Protocol uint8
	Side     side
}

func newEndpoint(a netip.AddrPort, protocol uint8, s side) endpoint {
	port := [2]byte{byte(a.Port() >> 8), byte(a.Port())}
	return endpoint{a.Addr().As16(), port, protocol, s}
}

// claims counts who claims what: several services may share a VIP or a real server.
type claims struct {
	roles     map[netip.Addr]map[role]int
	endpoints map[endpoint]int
	fading    map[netip.Addr]int // local addresses that no service has any more, with their claims
}

func newClaims() claims {
	return claims{
		map[netip.Addr]map[role]int{}, map[endpoint]int{}, map[netip.Addr]int{},
	}
}

// rolesOf returns the roles of an address together.
func (c *claims) rolesOf(a netip.Addr) (all role) {
	for r := range c.roles[a] {
		all |= r
	}
	return all
}

// touched is what a change may have changed.
type touched struct {
	addresses []netip.Addr
	endpoints []endpoint
}

// add counts a claim to an address up, or down.
func (c *claims) add(t *touched, a netip.Addr, r role, n int) {
	if c.roles[a] == nil {
		c.roles[a] = map[role]int{}
	}
	before := c.roles[a][r]
	c.roles[a][r] = before + n
	if before+n == 0 {
		delete(c.roles[a], r)
	}
	if len(c.roles[a]) == 0 {
		delete(c.roles, a)
	}
	if before == 0 || before+n == 0 {
		t.addresses = append(t.addresses, a)
	}
}

func (c *claims) addEndpoint(t *touched, e endpoint, n int) {
	before := c.endpoints[e]
	c.endpoints[e] = before + n
	if before+n == 0 {
		delete(c.endpoints, e)
	}
	if before == 0 || before+n == 0 {
		t.endpoints = append(t.endpoints, e)
	}
}

// count counts the claims of a service up or down, but those to local addresses.
func (c *claims) count(t *touched, s *Service, n int) {
	if s.VIP.IsValid() {
		c.add(t, s.VIP.Addr(), director, n)
		c.addEndpoint(t, newEndpoint(s.VIP, s.Protocol, serves), n)
	}
	for _, a := range s.Answering {
		c.add(t, a.Addr(), answering, n)
		if s.Routed {
			c.add(t, a.Addr(), routed, n)
		}
		c.addEndpoint(t, newEndpoint(a, s.Protocol, answers), n)
	}
}

// hide adds the claims of a service.
func (c *claims) hide(t *touched, s *Service) {
	c.count(t, s, 1)
	for _, a := range s.Locals {
		c.add(t, a, director, 1)
	}
}

// show takes the claims of a service away. Sessions may still use its local addresses: they stay
// claimed until settle.
func (c *claims) show(t *touched, s *Service) {
	c.count(t, s, -1)
	for _, a := range s.Locals {
		c.fading[a]++
	}
}

// settle gives the local addresses up that no service has and no session uses.
func (c *claims) settle(t *touched, used func(netip.Addr) bool) {
	for a, n := range c.fading {
		if !used(a) {
			c.add(t, a, director, -n)
			delete(c.fading, a)
		}
	}
}

// setHost replaces the addresses of the host.
func (c *claims) setHost(t *touched, old, next []netip.Addr) {
	for _, a := range next {
		if !slices.Contains(old, a) {
			c.add(t, a, host, 1)
		}
	}
	for _, a := range old {
		if !slices.Contains(next, a) {
			c.add(t, a, host, -1)
		}
	}
}
