package guard

import (
	"cmp"
	"net/netip"
	"slices"

	"fulcrum/lvs"
	"fulcrum/match"
)

// Service is what the director serves to the clients of one service.
type Service struct {
	Matches []lvs.Match  // none for what has no VIP, such as the ports' own addresses
	Locals  []netip.Addr // addresses whose packets all are the director's
	// Answering are the real servers that answer to clients' addresses by way of the director: those
	// of nat. One with port 0 answers from the ports of the matches.
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

// endpoint is a key of the trie of served ports, as the program builds it: 28 bytes. It stands for
// all ports with the same first bits.
type endpoint struct {
	Bits     uint32 // how many count, from Protocol on
	Protocol uint8
	Side     side
	_        [2]byte
	Address  [16]byte // IPv4 in the mapped form
	Port     [2]byte  // in network order
	_        [2]byte
}

// Bits of an endpoint's key before its port, and with all of it.
const (
	addressBits = 8 * (4 + 16)
	portBits    = addressBits + 16
)

// endpointsOf returns the fewest endpoints that together have the ports of an address.
func endpointsOf(a netip.Addr, p serving, s side) (all []endpoint) {
	for at, last := uint32(p.First), uint32(p.Last); at <= last; {
		size, bits := uint32(1), uint32(portBits)
		for at%(2*size) == 0 && at+2*size-1 <= last {
			size, bits = 2*size, bits-1
		}
		all = append(all, endpoint{
			Bits: bits, Protocol: uint8(p.protocol), Side: s, Address: a.As16(),
			Port: [2]byte{byte(at >> 8), byte(at)},
		})
		at += size
	}
	return all
}

// serving is a range of ports of a protocol.
type serving struct {
	protocol lvs.Protocol
	lvs.Ports
}

// serves returns what the service serves, whatever the addresses.
func (s *Service) serves() (all []serving) {
	for _, m := range s.Matches {
		all = append(all, serving{m.Protocol, m.Ports})
	}
	slices.SortFunc(all, serving.compare)
	return slices.Compact(all)
}

func (p serving) compare(o serving) int {
	return cmp.Or(cmp.Compare(p.protocol, o.protocol), cmp.Compare(p.First, o.First),
		cmp.Compare(p.Last, o.Last))
}

// rangeKey is a key of the trie of ranges, as the program builds it.
type rangeKey struct {
	Bits    uint32   // how many of the address count
	Address [16]byte // IPv4 in the mapped form
}

func newRangeKey(p netip.Prefix) rangeKey {
	unused := 128 - p.Addr().BitLen() // the mapped form has more
	return rangeKey{uint32(p.Bits() + unused), p.Addr().As16()}
}

// claims counts who claims what: several services may share a VIP or a real server.
type claims struct {
	roles     map[netip.Addr]map[role]int
	endpoints map[endpoint]int
	ranges    map[netip.Prefix]int
	matches   map[lvs.Match]int  // of several addresses or ports
	host      []netip.Addr       // the kernel's: there, matches are endpoints too
	fading    map[netip.Addr]int // local addresses that no service has any more, with their claims
}

func newClaims() claims {
	return claims{
		roles: map[netip.Addr]map[role]int{}, endpoints: map[endpoint]int{},
		ranges: map[netip.Prefix]int{}, matches: map[lvs.Match]int{}, fading: map[netip.Addr]int{},
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
	ranges    []netip.Prefix
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

// addEndpoints counts the claims to ports of an address up or down.
func (c *claims) addEndpoints(t *touched, a netip.Addr, p serving, s side, n int) {
	for _, e := range endpointsOf(a, p, s) {
		if tally(c.endpoints, e, n) {
			t.endpoints = append(t.endpoints, e)
		}
	}
}

// tally counts up or down, and reports whether the key came or went.
func tally[K comparable](counts map[K]int, k K, n int) bool {
	before := counts[k]
	counts[k] = before + n
	if before+n == 0 {
		delete(counts, k)
	}
	return before == 0 || before+n == 0
}

// addMatch counts a match of several addresses or ports up or down. Only where the host has an
// address too, the program asks for ports.
func (c *claims) addMatch(t *touched, m lvs.Match, n int) {
	for _, p := range match.Prefixes(m) {
		if tally(c.ranges, p, n) {
			t.ranges = append(t.ranges, p)
		}
	}
	tally(c.matches, m, n)
	for _, a := range c.host {
		if m.Has(a) {
			c.addEndpoints(t, a, serving{m.Protocol, m.Ports}, serves, n)
		}
	}
}

// count counts the claims of a service up or down, but those to local addresses.
func (c *claims) count(t *touched, s *Service, n int) {
	for _, m := range s.Matches {
		if !m.Single() {
			c.addMatch(t, m, n)
			continue
		}
		c.add(t, m.First, director, n)
		c.addEndpoints(t, m.First, serving{m.Protocol, m.Ports}, serves, n)
	}
	for _, a := range s.Answering {
		c.add(t, a.Addr(), answering, n)
		if s.Routed {
			c.add(t, a.Addr(), routed, n)
		}
		c.countAnswers(t, s, a, n)
	}
}

// countAnswers counts the ports from which a real server answers up or down.
func (c *claims) countAnswers(t *touched, s *Service, a netip.AddrPort, n int) {
	for _, p := range s.serves() {
		if a.Port() != 0 {
			p.Ports = lvs.Ports{First: a.Port(), Last: a.Port()}
		}
		c.addEndpoints(t, a.Addr(), p, answers, n)
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
func (c *claims) setHost(t *touched, next []netip.Addr) {
	old := c.host
	c.host = slices.Clone(next)
	for _, a := range next {
		if !slices.Contains(old, a) {
			c.addHost(t, a, 1)
		}
	}
	for _, a := range old {
		if !slices.Contains(next, a) {
			c.addHost(t, a, -1)
		}
	}
}

// addHost counts an address of the host, and what matches serve there, up or down.
func (c *claims) addHost(t *touched, a netip.Addr, n int) {
	c.add(t, a, host, n)
	for m, claims := range c.matches {
		if m.Has(a) {
			c.addEndpoints(t, a, serving{m.Protocol, m.Ports}, serves, n*claims)
		}
	}
}
