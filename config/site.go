package config

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"

	"fulcrum/lvs"
)

// Site holds the services of a running configuration and checks changes of single services
// against them. The cost depends on the change, not on the number of services. A Site is not safe
// for concurrent use.
type Site struct {
	config   *Config                  // without its services, which are in the maps below
	file     Network                  // without what Follow has added
	claimed  map[lvs.Match]string     // by match, the service
	marked   map[lvs.Match]uint32     // by match, the mark; no service may claim it but by that
	marks    map[lvs.ServiceID]string // by mark and IP version, the service
	ranges   tenants[lvs.Match]       // those of several addresses or ports
	names    map[string]lvs.ServiceID
	passing  map[netip.Addr]string // by VIP, the service with echo = false
	own      listed
	gateways listed // of routes, and neighbours

	vips, lips, servers tenants[netip.Addr]
	owned               tenants[netip.Addr] // VIPs that the host owns
	linkLocals          int                 // how many addresses of services are link-local
}

// tenants maps addresses, or ranges of them, to the services that use them in one role.
type tenants[K comparable] struct {
	role string // a format with one verb, for the service's name
	by   map[K][]string
}

func (t tenants[K]) holder(a K) (string, bool) {
	if names := t.by[a]; len(names) > 0 {
		return fmt.Sprintf(t.role, names[0]), true
	}
	return "", false
}

func (t tenants[K]) add(a K, name string) { t.by[a] = append(t.by[a], name) }

func (t tenants[K]) remove(a K, name string) {
	names := t.by[a]
	if i := slices.Index(names, name); i >= 0 {
		names = slices.Delete(names, i, i+1)
	}
	if t.by[a] = names; len(names) == 0 {
		delete(t.by, a)
	}
}

// NewSite takes in the services of a configuration that was checked.
func NewSite(c *Config) *Site {
	s := &Site{
		config: c, file: c.Network(), claimed: map[lvs.Match]string{}, marked: map[lvs.Match]uint32{}, marks: map[lvs.ServiceID]string{},
		names:   map[string]lvs.ServiceID{},
		passing: map[netip.Addr]string{},
		ranges:  tenants[lvs.Match]{"a VIP of service %q", map[lvs.Match][]string{}},
		vips:    tenants[netip.Addr]{"the VIP of service %q", map[netip.Addr][]string{}},
		lips:    tenants[netip.Addr]{"a local address of service %q", map[netip.Addr][]string{}},
		servers: tenants[netip.Addr]{"a real server of service %q", map[netip.Addr][]string{}},
		owned:   tenants[netip.Addr]{"the VIP of service %q", map[netip.Addr][]string{}},
	}
	s.setNetwork(s.file)
	for _, mark := range c.Marks {
		for _, m := range mark.Match {
			s.marked[m] = mark.Number
		}
	}
	for i := range c.Services {
		s.add(&c.Services[i])
	}
	return s
}

// Change replaces the service old by next. A nil old adds next, and a nil next removes old, which
// never fails. The error is always of type Problems; the site is then unchanged.
func (s *Site) Change(old, next *Service) error {
	if old != nil {
		s.remove(old)
	}
	if next == nil {
		return nil
	}
	problems := s.checkUnique(next)
	s.hold(next)
	if problems = append(problems, s.check(old, next)...); len(problems) == 0 {
		s.name(next)
		return nil
	}
	s.release(next)
	if old != nil {
		s.add(old)
	}
	return problems
}

// Named returns the name of the service with an identity.
func (s *Site) Named(id lvs.ServiceID) (name string, ok bool) {
	if name = s.marks[id]; id.Mark == 0 {
		name = s.claimed[id.Match()]
	}
	return name, name != "" && s.names[name] == id
}

func (s *Site) add(n *Service) {
	s.hold(n)
	s.name(n)
}

func (s *Site) remove(n *Service) {
	s.release(n)
	for _, m := range s.config.Claims(n) {
		delete(s.claimed, m)
	}
	delete(s.marks, n.ID())
	delete(s.names, n.Name)
	if !n.Echo {
		for _, vip := range s.config.VIPs(n) {
			delete(s.passing, vip)
		}
	}
}

// name notes what only one service can have.
func (s *Site) name(n *Service) {
	s.names[n.Name] = n.ID()
	if n.Mark != 0 {
		s.marks[n.ID()] = n.Name
	}
	for _, m := range s.config.Claims(n) {
		s.claimed[m] = n.Name
	}
	if !n.Echo {
		for _, vip := range s.config.VIPs(n) {
			s.passing[vip] = n.Name
		}
	}
}

// hold notes the addresses that a service uses, and release takes them off again.
func (s *Site) hold(n *Service) {
	s.eachAddress(n, func(in tenants[netip.Addr], a netip.Addr, name string) {
		in.add(a, name)
		if isLinkLocal(a) {
			s.linkLocals++
		}
	})
	s.eachRange(n, s.ranges.add)
}

func (s *Site) release(n *Service) {
	s.eachAddress(n, func(in tenants[netip.Addr], a netip.Addr, name string) {
		in.remove(a, name)
		if isLinkLocal(a) {
			s.linkLocals--
		}
	})
	s.eachRange(n, s.ranges.remove)
}

// eachRange calls do for each match of a service that has several addresses or ports.
func (s *Site) eachRange(n *Service, do func(lvs.Match, string)) {
	for _, m := range s.config.Claims(n) {
		if !m.Single() {
			do(m, n.Name)
		}
	}
}

// eachAddress calls do for each address of a service, with the list for its role.
func (s *Site) eachAddress(n *Service, do func(tenants[netip.Addr], netip.Addr, string)) {
	for _, vip := range s.config.VIPs(n) {
		do(s.vips, vip, n.Name)
		if n.VIPOwner == OwnedByHost {
			do(s.owned, vip, n.Name)
		}
	}
	for _, a := range n.LocalAddresses {
		do(s.lips, a, n.Name)
	}
	for _, rs := range n.RealServers {
		do(s.servers, rs.Address.Addr(), n.Name)
	}
	for _, sorry := range n.SorryServers {
		do(s.servers, sorry.Addr(), n.Name)
	}
}

// checkUnique reports a name, an address or an echo = false that another service has already. The
// service n is not in the site.
func (s *Site) checkUnique(n *Service) Problems {
	c := s.checker(&draft{})
	if _, taken := s.names[n.Name]; taken {
		c.at("service", 0, "name").reportf("give every service its own name",
			"%s is the name of another service", n.Name)
	}
	if name, taken := s.marks[n.ID()]; taken {
		c.at("service", 0, "mark").reportf("use another mark, or change that service",
			"%s is the mark of service %q", n.ID(), name)
	}
	s.checkClaimed(c, n)
	for _, vip := range s.config.VIPs(n) {
		if name, taken := s.passing[vip]; taken && !n.Echo {
			c.at("service", 0, "echo").reportf("write false for only one service of a VIP",
				"%s is the VIP of service %q, which has echo = false", vip, name)
		}
	}
	return c.doc.problems
}

// checkClaimed reports a match that another service or a mark has.
func (s *Site) checkClaimed(c *checker, n *Service) {
	v := c.at("service", 0, n.claimKey())
	for _, m := range s.config.Claims(n) {
		if name, taken := s.claimed[m]; taken {
			v.reportf("change the address, port or protocol", "%s is the address of service %q", m, name)
		}
		if number, taken := s.marked[m]; taken && n.Mark == 0 {
			v.reportf("change the address, port or protocol", "%s is a match of mark %d", m, number)
		}
	}
}

// claimKey returns the key of what a service claims.
func (s *Service) claimKey() string {
	switch {
	case s.Mark != 0:
		return "mark"
	case len(s.Addresses) > 0:
		return "addresses"
	}
	return "address"
}

// siteVIPs finds the service with a VIP, alone or in a range.
type siteVIPs struct{ *Site }

func (s siteVIPs) holder(a netip.Addr) (string, bool) {
	if who, held := s.vips.holder(a); held {
		return who, true
	}
	for m := range s.ranges.by {
		if m.Has(a) {
			return s.ranges.holder(m)
		}
	}
	return "", false
}

// checker returns a checker of the draft's services against the site.
func (s *Site) checker(d *draft) *checker {
	c := newChecker(&document{name: "request", lines: map[place]int{}}, d)
	c.own, c.vips, c.lips, c.servers = s.own, siteVIPs{s}, s.lips, s.servers
	return c
}

// check reports the problems of a service. It checks the values as in a file, and the differences
// from old against all other services. The service next is in the site.
func (s *Site) check(old, next *Service) Problems {
	// Subnets and routes are the file's: what host interfaces add to them gives way to services.
	d := &draft{Config: Config{Ports: s.file.Ports, Routes: s.file.Routes, Marks: s.config.Marks}}
	c := s.checker(d)
	news := next.since(old)
	read, locals := readService(newTable(c.at("service", 0).with(news.entries())))
	if len(c.doc.problems) > 0 {
		return c.doc.problems
	}
	d.Services, d.locals = []Service{read}, [][][]netip.Addr{locals}
	c.checkMSS(0)
	c.checkEngine(0)
	c.checkEcho(0, firsts{})
	c.checkAnnounce(0)
	c.checkVIPOwner(0)
	c.checkRealServers(0)
	s.checkServers(c, next, news.RealServers)
	if len(next.LocalAddresses) > 0 {
		c.doc.lines[c.at("service", 0, "local_addresses").at] = 1
	}
	if len(locals) == 0 {
		d.locals[0] = oneOfEach(next.LocalAddresses)
	}
	d.Services[0].RealServers = next.RealServers
	c.checkMostServers(0)
	c.checkPings(0)
	c.checkOnePacket(0)
	c.checkSlowStart(0)
	c.checkLocals(0)
	if old == nil || !slices.Equal(s.config.Claims(old), s.config.Claims(next)) {
		s.checkClaims(c, next)
	}
	return c.doc.problems
}

// oneOfEach returns one address of each IP version in a list, each as an entry of its own.
func oneOfEach(all []netip.Addr) (entries [][]netip.Addr) {
	for _, is6 := range []bool{false, true} {
		if i := slices.IndexFunc(all, func(a netip.Addr) bool { return a.Is6() == is6 }); i >= 0 {
			entries = append(entries, all[i:i+1])
		}
	}
	return entries
}

// with returns the value with content that was not decoded from a file.
func (v value) with(raw any) value {
	v.raw = raw
	return v
}

// claimsAs reports whether two services claim the same.
func (s *Service) claimsAs(o *Service) bool {
	return s.ID() == o.ID() && slices.Equal(s.Addresses, o.Addresses)
}

// since returns the service without the real servers and local addresses that old has as well, and
// without duplicates. In another mode, and at other ports, all real servers count as new.
func (s *Service) since(old *Service) Service {
	news, seen := *s, map[any]bool{}
	if old != nil {
		if slices.Equal(old.LocalAddresses, s.LocalAddresses) {
			news.LocalAddresses = nil
		}
		for _, rs := range old.RealServers {
			seen[rs] = old.Mode == s.Mode && s.claimsAs(old)
		}
	}
	news.RealServers = nil
	for _, rs := range s.RealServers {
		if !seen[rs] && !seen[rs.Address] {
			news.RealServers = append(news.RealServers, rs)
			seen[rs.Address] = true
		}
	}
	return news
}

// entries returns the service in the decoder's form.
func (s *Service) entries() map[string]any {
	entries := map[string]any{
		"name": s.Name,
		"mode": s.Mode.String(), "scheduler": s.Scheduler.String(),
		"mss": int64(s.MSS), "echo": s.Echo,
		"max_sessions": int64(s.MaxSessions), "one_packet": s.OnePacket,
		"persistence": s.Persistence.String(), "max_rate": int64(s.MaxRate), "refuse": s.Refuse.String(),
		"slow_start":              s.SlowStart.String(),
		"max_sessions_per_source": int64(s.MaxSessionsPerSource),
		"max_rate_per_source":     int64(s.MaxRatePerSource),
		"vip_owner":               s.VIPOwner.String(),
		"persistence_mask":        int64(cmp.Or(s.PersistenceMask, WholeMask(s.Address))),
	}
	s.claimEntries(entries)
	if s.PersistenceEngine != lvs.NoEngine {
		entries["persistence_engine"] = s.PersistenceEngine.String()
	}
	if s.Announce != AsDirector {
		entries["announce"] = s.Announce == AnnounceOn
	}
	if own := s.Timeouts.entries(); len(own) > 0 {
		entries["timeouts"] = own
	}
	var flags, locals, servers []any
	for _, name := range s.Scheduler.FlagNames(s.SchedulerFlags) {
		flags = append(flags, name)
	}
	for _, a := range s.LocalAddresses {
		locals = append(locals, a.String())
	}
	for _, rs := range s.RealServers {
		servers = append(servers, rs.entries())
	}
	if flags != nil {
		entries["scheduler_flags"] = flags
	}
	if locals != nil {
		entries["local_addresses"] = locals
	}
	if servers != nil {
		entries["real_server"] = servers
	}
	return entries
}

// claimEntries adds what the service claims.
func (s *Service) claimEntries(entries map[string]any) {
	if s.Mark != 0 {
		entries["mark"], entries["family"] = int64(s.Mark), familyOf(s)
		return
	}
	entries["protocol"] = s.Protocol.String()
	if len(s.Addresses) == 0 {
		entries["address"] = s.Address.String()
		return
	}
	var all []any
	for _, m := range s.Addresses {
		all = append(all, m.Destination())
	}
	entries["addresses"] = all
}

// entries returns the timeouts in the decoder's form.
func (t *OwnTimeouts) entries() map[string]any {
	entries := map[string]any{}
	for _, state := range lvs.States() {
		if t[state] != 0 {
			entries[state.Key()] = t[state].String()
		}
	}
	return entries
}

// entries returns the real server in the decoder's form.
func (rs *RealServer) entries() map[string]any {
	entries := map[string]any{
		"address": rs.Address.String(), "weight": int64(rs.Weight),
		"upper_threshold": int64(rs.UpperThreshold), "lower_threshold": int64(rs.LowerThreshold),
	}
	if rs.Mode != lvs.AsService {
		entries["mode"] = rs.Mode.String()
	}
	return entries
}

// checkServers reports duplicate real servers of the service, and new ones whose address is a local
// address of a service.
func (s *Site) checkServers(c *checker, n *Service, news []RealServer) {
	seen := make(map[netip.AddrPort]bool, len(n.RealServers))
	for _, sorry := range n.SorryServers {
		seen[sorry] = true
	}
	for i, rs := range n.RealServers {
		if seen[rs.Address] {
			c.at("service", 0, "real_server", i, "address").reportf("give every real server once",
				"%s is already a real server of this service", rs.Address)
		}
		seen[rs.Address] = true
	}
	for i, rs := range news {
		if who, held := s.lips.holder(rs.Address.Addr()); held {
			c.at("service", 0, "real_server", i, "address").reportf("use an address that is not in use",
				"%s is in use: %s", rs.Address.Addr(), who)
		}
	}
}

// checkClaims reports a VIP that is reserved in its subnet or in use, and an IPv6 VIP without IPv6
// sessions.
func (s *Site) checkClaims(c *checker, n *Service) {
	v := c.at("service", 0, n.claimKey())
	c.checkClaims(0, newClaimants())
	for _, m := range s.config.Claims(n) {
		for _, vip := range s.inUse(m) {
			if who, held := holder(vip, s.servers, s.lips, s.gateways); held {
				v.reportf("use an address that is not in use", "%s is in use: %s", vip, who)
				break
			}
		}
	}
	if s.config.Session.MaxV6 == 0 && n.ID().Is6() {
		c.at("session", "max_v6").report("is 0, but the service has an IPv6 VIP",
			"set session.max_v6 in the file and restart the director")
	}
}

// inUse returns the addresses of a match that other stations may have: a single one, and of a range
// those that they have.
func (s *Site) inUse(m lvs.Match) (all []netip.Addr) {
	if m.OneAddress() {
		return []netip.Addr{m.First}
	}
	for _, addresses := range []iter.Seq[netip.Addr]{
		maps.Keys(s.servers.by), maps.Keys(s.lips.by), maps.Keys(s.gateways),
	} {
		for a := range addresses {
			if m.Has(a) {
				all = append(all, a)
			}
		}
	}
	return all
}

// ServicesOf returns the names of the services with a VIP. The caller must not change the list, and
// uses it before the next Change.
func (s *Site) ServicesOf(vip netip.Addr) []string { return s.vips.by[vip] }
