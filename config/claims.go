package config

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"fulcrum/lvs"
	"fulcrum/match"
)

// Mark is a number for some matches. A service that names it claims those of one IP version.
type Mark struct {
	Number uint32 // not 0
	Match  []lvs.Match
}

// mostMatches bounds the matches of a service or a mark.
const mostMatches = 16384

// The remedies for what a service claims.
const (
	destinationForm  = `write a string such as "10.0.0.100:80"`
	destinationsForm = `write a list such as ["10.0.0.100:80", "10.0.0.112/28:8000-8100"]`
	matchForm        = `write a protocol before it, such as "tcp 10.0.0.100:80"`
	matchListForm    = `write a list such as ["tcp 10.0.0.100:80", "udp 10.0.0.0/28:*"]`
	oneClaim         = "give a service one of address, addresses and mark"
)

// Claims returns what a service claims: its address, its addresses, or the matches of its mark that
// have its IP version.
func (c *Config) Claims(s *Service) []lvs.Match {
	switch {
	case s.Mark != 0:
		return marked(c.Marks, s)
	case len(s.Addresses) > 0:
		return s.Addresses
	case !s.Address.IsValid():
		return nil
	}
	return append([]lvs.Match{lvs.MatchOf(s.Protocol, s.Address)}, s.dataPorts()...)
}

// dataPorts returns the ports of FTP's data connections, which a persistent service of FTP has too,
// as in IPVS (ip_vs_service_find). A mode that translates would need FTP's payload for them.
func (s *Service) dataPorts() []lvs.Match {
	if s.Persistence == 0 || s.Protocol != lvs.TCP || s.Address.Port() != portFTP ||
		slices.ContainsFunc(s.Modes(), func(m lvs.Mode) bool { return m.Path() == lvs.Translate }) {
		return nil
	}
	at := func(first, last uint16) lvs.Match {
		a := s.Address.Addr()
		return lvs.Match{Protocol: lvs.TCP, First: a, Last: a, Ports: lvs.Ports{First: first, Last: last}}
	}
	return []lvs.Match{at(portFTPData, portFTPData), at(1024, 65535)}
}

func marked(marks []Mark, s *Service) (all []lvs.Match) {
	for _, mark := range marks {
		for _, m := range mark.Match {
			if mark.Number == s.Mark && m.Is6() == s.Address.Addr().Is6() {
				all = append(all, m)
			}
		}
	}
	return all
}

// VIPs returns the addresses that a service claims alone, and not as part of a range of addresses.
func (c *Config) VIPs(s *Service) (all []netip.Addr) {
	for _, m := range c.Claims(s) {
		if m.OneAddress() && !slices.Contains(all, m.First) {
			all = append(all, m.First)
		}
	}
	return all
}

// readClaims reads what a service claims. Its protocol has been read.
func readClaims(t *table, s *Service) {
	address, addresses, mark, family := t.child("address"), t.get("addresses"), t.get("mark"), t.get("family")
	var given []value
	for _, v := range []value{address, addresses, mark} {
		if v.given() {
			given = append(given, v)
		}
	}
	for i := 1; i < len(given); i++ {
		given[i].reportf(oneClaim, "the service has %s too", given[0].key)
	}
	if family.given() && !mark.given() {
		family.report("has a meaning only beside mark", "leave the key out")
	}
	switch {
	case mark.given():
		t.get("address")
		s.Mark = uint32(mark.integer(0, 1, math.MaxUint32))
		s.Address = lvs.IDOfMark(s.Mark, family.choice("ipv4", families) == "ipv6").Address
	case addresses.given():
		t.get("address")
		s.setMatches(addresses.destinations(s.Protocol))
	default:
		s.Address = t.need("address", vipForm).socket()
	}
}

// setMatches gives a service its matches. A single address and port is its address.
func (s *Service) setMatches(all []lvs.Match) {
	if len(all) == 0 {
		return
	}
	s.Address = netip.AddrPortFrom(all[0].First, all[0].Ports.First)
	if len(all) > 1 || !all[0].Single() {
		s.Addresses = all
	}
}

// destinations returns the matches of one protocol in a list.
func (v value) destinations(p lvs.Protocol) []lvs.Match {
	return v.matches(destinationsForm, func(v value) lvs.Match { return v.destination(p) })
}

// matches returns the elements of a list that could be read.
func (v value) matches(form string, read func(value) lvs.Match) (all []lvs.Match) {
	elements, ok := v.elements()
	switch {
	case !ok && v.given():
		v.reportf(form, "is %s, not a list", typeName(v.raw))
	case ok && len(elements) == 0:
		v.report("the list is empty", form)
	case len(elements) > mostMatches:
		v.reportf("divide it", "exceeds the limit of %d matches", mostMatches)
		return nil
	}
	for _, element := range elements {
		if m := read(element); m.First.IsValid() {
			all = append(all, m)
		}
	}
	return all
}

// destination returns a match of a protocol. A wrong one has no addresses.
func (v value) destination(p lvs.Protocol) lvs.Match {
	text, ok := as[string](v, "a string", destinationForm)
	if !ok {
		return lvs.Match{}
	}
	m, err := lvs.ParseDestination(text)
	if err != nil {
		v.reportf(err.Error(), "invalid addresses and ports %q", text)
	}
	if err != nil || !v.unicast(m.First) || !v.unicast(m.Last) || !v.unicastRange(m) {
		return lvs.Match{}
	}
	m.Protocol = p
	return m
}

// protocolAndDestination returns a match with its protocol.
func (v value) protocolAndDestination() lvs.Match {
	text, ok := as[string](v, "a string", matchForm)
	if !ok {
		return lvs.Match{}
	}
	name, destination, _ := strings.Cut(text, " ")
	p, known := lvs.ParseProtocol(name)
	if !known {
		v.reportf(matchForm+"; "+protocols.right(), "unknown protocol %q", name)
		return lvs.Match{}
	}
	return v.with(strings.TrimSpace(destination)).destination(p)
}

// notUnicast are the addresses between unicast ones that no range may have.
var notUnicast = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::ffff:0:0/96"),
}

// unicastRange reports a range with addresses that no host can have.
func (v value) unicastRange(m lvs.Match) bool {
	for _, p := range notUnicast {
		if m.Has(p.Addr()) {
			v.reportf("divide the range", "%s has %s, which no host can have", m.Destination(), p)
			return false
		}
	}
	return true
}

func readMark(t *table) Mark {
	defer t.done()
	number := t.need("number", "give the mark a number from 1 on, such as number = 7")
	m := Mark{Number: uint32(number.integer(0, 1, math.MaxUint32))}
	m.Match = t.need("match", matchListForm).matches(matchListForm, value.protocolAndDestination)
	return m
}

// familyOf returns "ipv6" or "ipv4", the family of a mark's service.
func familyOf(s *Service) string {
	if s.Address.Addr().Is6() {
		return "ipv6"
	}
	return "ipv4"
}

// claimants holds who claims each match of a file, and the first line of each mark's services.
type claimants struct {
	matches map[lvs.Match]claimant
	marks   firsts
}

type claimant struct {
	service int // its index, or inMark
	line    int
}

const inMark = -1

func newClaimants() *claimants { return &claimants{map[lvs.Match]claimant{}, firsts{}} }

// take reports a match that is there twice.
func (c *claimants) take(v value, m lvs.Match, service int) {
	first, taken := c.matches[m]
	switch {
	case !taken:
		c.matches[m] = claimant{service, v.line()}
	case first.service == service && service != inMark:
		v.reportf("give every entry once", "%s is in the list already (line %d)", m, first.line)
	case first.service == inMark:
		v.reportf("give every match once", "%s is a match of a mark (line %d)", m, first.line)
	default:
		v.reportf("change the address, port or protocol of one of them",
			"%s is the address of another service (line %d)", m, first.line)
	}
}

// checkMarks reports numbers and matches that are there twice, and wrong matches.
func (c *checker) checkMarks(claimed *claimants) {
	numbers := firsts{}
	for i, mark := range c.Marks {
		if mark.Number != 0 {
			numbers.unique(c.at("mark", i, "number"), fmt.Sprint(mark.Number),
				"the number of another mark", "give every mark its own number")
		}
		for j, m := range mark.Match {
			v := c.at("mark", i, "match", j)
			claimed.take(v, m, inMark)
			c.checkSingle(v, m)
			c.checkRange(v, m)
		}
	}
}

// checkClaims reports what a service cannot claim.
func (c *checker) checkClaims(i int, claimed *claimants) {
	s := &c.Services[i]
	if s.Mark != 0 {
		c.checkMark(i, claimed.marks)
		return
	}
	for j, m := range c.Claims(s) {
		v := c.claimAt(i, j)
		c.checkSingle(v, m)
		c.checkRange(v, m)
		if first := c.Claims(s)[0]; m.Is6() != first.Is6() {
			v.reportf("give a service addresses of one IP version", "%s is of another IP version than %s",
				m.Destination(), first.Destination())
		}
		if s.Protocol != 0 {
			claimed.take(v, m, i)
		}
	}
}

// claimAt returns the place of a service's match.
func (c *checker) claimAt(i, j int) value {
	switch s := &c.Services[i]; {
	case s.Mark != 0:
		return c.at("service", i, "mark")
	case len(s.Addresses) > 0:
		return c.at("service", i, "addresses", j)
	}
	if v := c.at("service", i, "addresses"); c.doc.lines[v.at] != 0 {
		return c.at("service", i, "addresses", 0)
	}
	return c.at("service", i, "address")
}

// checkMark reports a mark that claims nothing.
func (c *checker) checkMark(i int, claimed firsts) {
	s, v := &c.Services[i], c.at("service", i, "mark")
	claimed.unique(v, s.ID().String(), "the mark of another service",
		"give a mark one service of each IP version")
	if len(c.Claims(s)) > 0 {
		return
	}
	at := slices.IndexFunc(c.Marks, func(m Mark) bool { return m.Number == s.Mark })
	switch {
	case at < 0:
		v.reportf(fmt.Sprintf("add a [[mark]] with number = %d and its matches", s.Mark),
			"no mark has number %d", s.Mark)
	case len(c.Marks[at].Match) > 0: // without any, the mistake is the mark's
		v.reportf(`write family = "ipv6" or "ipv4", whichever the matches have`,
			"mark %d has no match of %s", s.Mark, family(s.Address.Addr()))
	}
}

// checkSingle reports a VIP that is reserved in its subnet.
func (c *checker) checkSingle(v value, m lvs.Match) {
	if m.OneAddress() && c.isUnambiguous(v, m.First) {
		c.isHostAddress(v, m.First)
	}
}

// checkRange reports a range that has an address of the director. Those of other stations are
// reported where they stand.
func (c *checker) checkRange(v value, m lvs.Match) {
	if m.OneAddress() {
		return
	}
	for i, port := range c.Ports {
		for j, a := range port.Addresses {
			if m.Has(a.Addr()) {
				who, held := holder(a.Addr(), c.own)
				if !held {
					who = fmt.Sprintf("the address of port %q (line %d)", port.Name,
						c.at("port", i, "addresses", j).line())
				}
				v.reportf("leave the address out of the range", "%s has %s, %s", m.Destination(), a.Addr(), who)
				return
			}
		}
	}
}

// ranged holds the ranges of VIPs of one file, with their lines.
type ranged struct {
	listed
	ranges []heldRange
	spans  match.Spans // of the ranges
}

type heldRange struct {
	lvs.Match
	who string
}

func (r *ranged) holder(a netip.Addr) (string, bool) {
	if who, held := r.listed.holder(a); held {
		return who, true
	}
	if !r.spans.Holds(a) {
		return "", false
	}
	i := slices.IndexFunc(r.ranges, func(h heldRange) bool { return h.Has(a) })
	return r.ranges[i].who, true
}

// complete prepares the look-up of the ranges.
func (r *ranged) complete() {
	all := make([]lvs.Match, len(r.ranges))
	for i := range r.ranges {
		all[i] = r.ranges[i].Match
	}
	r.spans = match.SpansOf(all)
}

// enlistVIPs records the holders of VIPs, and of ranges of them.
func (c *checker) enlistVIPs(vips *ranged, i int) {
	s := &c.Services[i]
	for j, m := range c.Claims(s) {
		v := c.claimAt(i, j)
		if m.OneAddress() {
			c.hold(vips.listed, m.First, "the VIP of service %q", s.Name, v)
			continue
		}
		who := fmt.Sprintf("a VIP of service %q (line %d)", s.Name, v.line())
		vips.ranges = append(vips.ranges, heldRange{m, who})
	}
}

// ParseAddresses gives the service addresses in the file's notation. Its protocol must be set. Its
// error is always of type Problems.
func (s *Service) ParseAddresses(texts []string) error {
	doc := &document{name: "request"}
	list := make([]any, len(texts))
	for i, text := range texts {
		list[i] = text
	}
	v := value{doc: doc, key: "service.addresses", raw: list}
	s.setMatches(v.destinations(s.Protocol))
	if len(doc.problems) > 0 {
		return doc.problems
	}
	return nil
}
