package engine

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/sched"
)

// TestChangesComeToTheSame: any sequence of Apply and Change has the same result as applying the
// last settings at once. The director announces exactly the addresses that it did not answer for
// before, each once.
func TestChangesComeToTheSame(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := &changeModel{T: r, now: time.Now(), settings: twoArm.settings()}
		m.bed = newSilentBed(drawn{t, r}, twoArm, m.settings)
		defer m.bed.close()
		m.takeAnnouncements()
		for range 1 + m.below("steps", 12) {
			steps := []time.Duration{0, time.Second, forgetEvery, 2 * forgetAfter}
			m.now = m.now.Add(steps[m.below("time", len(steps))])
			before := m.answers()
			m.step()
			m.keep()
			m.announced(before)
			m.compare(drawn{t, r})
		}
	})
}

// changeModel is a director that is changed step by step, with the settings that it should have.
type changeModel struct {
	*rapid.T
	bed      *bed
	now      time.Time
	settings Settings
}

func (m *changeModel) below(label string, n int) int {
	return rapid.IntRange(0, n-1).Draw(m.T, label)
}

// modelAddresses are addresses that the model's settings may have, and some that no settings have.
var modelAddresses = func() (all []packet.Addr) {
	for _, a := range []string{
		"10.0.0.1", "10.0.0.2", "10.0.0.100", "10.0.0.101", "10.0.0.255", "10.0.0.127",
		"10.255.255.255", "10.0.0.9", "10.1.0.1", "10.1.0.50", "10.1.0.51", "10.1.255.255", "172.16.0.1", "fd00::100",
	} {
		all = append(all, packet.AddrOf(netip.MustParseAddr(a)))
	}
	return all
}()

// service draws one of a few services. Their VIPs and local addresses may be a port's own.
func (m *changeModel) service() Service {
	vip := modelAddresses[[]int{0, 2, 3, 12}[m.below("vip", 4)]].Netip()
	v := Service{
		Name:      []string{"one", "other"}[m.below("name", 2)],
		Address:   netip.AddrPortFrom(vip, uint16(80+m.below("port", 2))),
		Protocol:  []lvs.Protocol{lvs.TCP, lvs.UDP}[m.below("protocol", 2)],
		Mode:      allModes[m.below("mode", len(allModes))],
		Scheduler: lvs.Schedulers()[m.below("scheduler", len(lvs.Schedulers()))],
		Echo:      m.below("echo", 3) > 0, MSS: uint16(m.below("mss", 2) * 1400),
		Silent: m.below("silent", 3) == 0, PersistenceMask: 24,
		Persistence:       time.Duration(m.below("persistence", 2)) * time.Minute,
		PersistenceEngine: lvs.PersistenceEngine(m.below("persistence engine", 2)),
		OnePacket:         m.below("one packet", 2) == 1, // no packet comes: any mode will do

		MaxSessions: m.below("sessions", 2), MaxRate: m.below("rate", 2),
		MaxSessionsPerSource: m.below("sessions of a source", 3),
		MaxRatePerSource:     m.below("rate of a source", 3),
	}
	m.claims(&v)
	mixed := m.below("mixed", 2) == 1
	if v.Mode == modes.FullNAT || mixed {
		for range 1 + m.below("local addresses", 2) {
			local := modelAddresses[9+m.below("local", 2)].Netip()
			v.LocalAddresses = append(v.LocalAddresses, local)
		}
	}
	for i := range 3 {
		if m.below("has", 2) == 1 {
			a := netip.AddrPortFrom(twoArm.servers[i].addr, 8080)
			v.RealServers = append(v.RealServers, RealServer{
				Address: a, Weight: int32(m.below("weight", 3)),
				UpperThreshold: int32(m.below("upper", 2)), Share: uint8(m.below("share", 3)),
			})
			if mixed {
				own := lvs.OwnMode(m.below("own mode", int(lvs.NumModes)+1))
				v.RealServers[len(v.RealServers)-1].Mode = own
				v.RealServers[len(v.RealServers)-1].Down = own == lvs.Own(modes.NAT) // it shows in the pool
			}
		}
	}
	return v
}

// claims may give a service more matches, which no other service has.
func (m *changeModel) claims(v *Service) {
	own := lvs.MatchOf(v.Protocol, v.Address)
	bytes := v.Address.Addr().As16()
	number := v.Address.Port() + 10*uint16(bytes[15]) + 2*uint16(bytes[12])
	more := lvs.MatchOf(v.Protocol, netip.AddrPortFrom(v.Address.Addr(), 1000+v.Address.Port()))
	wide := lvs.Match{
		Protocol: v.Protocol, First: modelAddresses[2].Netip(), Last: modelAddresses[5].Netip(),
		Ports: lvs.Ports{First: 2000, Last: 3000 + number},
	}
	switch m.below("claims", 5) {
	case 0:
		v.Matches = []lvs.Match{own, more}
	case 1:
		v.Matches, v.Echo = []lvs.Match{own, wide}, true
	case 2:
		wide.Ports.First++ // another identity's
		v.Matches, v.Echo, v.Address = []lvs.Match{wide}, true, netip.AddrPortFrom(wide.First, 2001)
	}
}

// put puts a service into the settings in its old place, or at the end. At most one service of a
// VIP has its echo requests answered by real servers.
func (m *changeModel) put(v Service) Service {
	all := slices.Clone(m.settings.Services)
	i := slices.IndexFunc(all, func(o Service) bool { return o.ID() == v.ID() })
	for j := range all {
		v.Echo = v.Echo || j != i && !all[j].Echo && all[j].Address.Addr() == v.Address.Addr()
	}
	if i < 0 {
		all = append(all, v)
	} else {
		all[i] = v
	}
	m.settings.Services = all
	return v
}

func (m *changeModel) remove(id lvs.ServiceID) {
	is := func(o Service) bool { return o.ID() == id }
	m.settings.Services = slices.DeleteFunc(slices.Clone(m.settings.Services), is)
}

// keep has the workers adopt the change, which no session hinders from taking full effect.
func (m *changeModel) keep() {
	for _, w := range m.bed.engine.workers {
		w.update()
	}
	m.bed.keepAt(m.now)
}

// step makes one change.
func (m *changeModel) step() {
	if m.below("apply", 3) == 0 {
		m.apply()
		return
	}
	var n Change
	for range m.below("removed", 3) {
		if all := m.settings.Services; len(all) > 0 {
			n.Remove = append(n.Remove, all[m.below("which", len(all))].ID())
			m.remove(n.Remove[len(n.Remove)-1])
		}
	}
	for range m.below("put", 3) {
		v := m.service()
		if all := m.settings.Services; len(all) > 0 && m.below("known", 2) == 1 {
			v.Address, v.Protocol = all[0].Address, all[0].Protocol
		}
		n.Put = append(n.Put, m.put(v))
	}
	if err := m.bed.engine.changeAt(n, m.now); err != nil {
		m.Fatal(err)
	}
}

// apply draws all settings anew, except some services, which stay in another order.
func (m *changeModel) apply() {
	m.settings.SloppyTCP = m.below("sloppy", 2) == 1
	m.settings.ResetUnknown = ResetUnknown(m.below("reset unknown", 3))
	m.settings.RouteUnmatched = m.below("route", 2) == 1
	m.settings.NATICMPSend = m.below("nat icmp", 2) == 1
	m.settings.ConnReuseMode = uint8(m.below("reuse", 4))
	m.settings.Ports = twoArm.settings().Ports
	for range m.below("more addresses", 3) {
		p := &m.settings.Ports[m.below("port", 2)]
		a := modelAddresses[[]int{1, 2, 9}[m.below("address", 3)]].Netip()
		bits := []int{8, 16, 24, 25, 32}[m.below("bits", 5)]
		p.Addresses = append(p.Addresses, netip.PrefixFrom(a, bits))
	}
	kept := rapid.Permutation(m.settings.Services).Draw(m.T, "kept")
	m.settings.Services = kept[:m.below("keep", len(kept)+1)]
	for range m.below("services", 4) {
		m.put(m.service())
	}
	if err := m.bed.engine.applyAt(m.settings, m.now); err != nil {
		m.Fatal(err)
	}
}

// answers returns the addresses that the director answers for now.
func (m *changeModel) answers() map[announcement]bool {
	n, all := m.bed.engine.snap.Load(), map[announcement]bool{}
	for port := range n.ports {
		for _, a := range modelAddresses {
			if n.answers(port, a) {
				all[announcement{port, a}] = true
			}
		}
	}
	return all
}

// takeAnnouncements returns the addresses that are to be announced, and has none announced.
func (m *changeModel) takeAnnouncements() (all []announcement) {
	for port := range m.bed.engine.announcements.ports {
		for a := range m.bed.engine.announcements.ports[port].tasks {
			if slices.Contains(modelAddresses, a) { // ranges have more
				all = append(all, announcement{port, a})
			}
		}
	}
	m.bed.engine.announcements.setPorts(len(m.bed.ports))
	return all
}

func (m *changeModel) announced(before map[announcement]bool) {
	want := m.answers()
	maps.DeleteFunc(want, func(n announcement, _ bool) bool { return before[n] })
	got := m.takeAnnouncements()
	if len(got) != len(want) {
		m.Fatalf("announced %v, want %v", got, want)
	}
	for _, n := range got {
		if !want[n] {
			m.Fatalf("announced %v, want %v", got, want)
		}
	}
}

// compare compares the director with one that got the settings at once.
func (m *changeModel) compare(t drawn) {
	fresh := newSilentBed(t, twoArm, m.settings)
	defer fresh.close()
	is, should := m.bed.engine, fresh.engine
	m.compareViews(is.registry)
	m.compareRetired(is.snap.Load().retired, is.registry.retired)
	m.compareAddresses(is.snap.Load(), should.snap.Load())
	if !maps.Equal(is.registry.locals, should.registry.locals) {
		m.Fatalf("local addresses are used %v times, want %v", is.registry.locals,
			should.registry.locals)
	}
	if !maps.Equal(is.registry.natHosts, should.registry.natHosts) {
		m.Fatalf("addresses of nat real servers are %v, want %v", is.registry.natHosts,
			should.registry.natHosts)
	}
	asMany := func(a, b []*liveService) bool { return len(a) == len(b) }
	if !maps.EqualFunc(is.registry.vips, should.registry.vips, asMany) {
		m.Fatalf("VIPs are %v, want %v", is.registry.vips, should.registry.vips)
	}
	order, want := is.snap.Load().order, should.snap.Load().order
	if len(order) != len(want) || is.snap.Load().services.used != should.snap.Load().services.used {
		m.Fatalf("%d services, want %d", len(order), len(want))
	}
	m.compareClaims(is.snap.Load(), should.snap.Load())
	for i := range order {
		m.compareServices(order[i], want[i], is.snap.Load(), should.snap.Load())
	}
	m.compareRemembered(is, should)
}

func (m *changeModel) compareAddresses(is, should *snapshot) {
	sizes := func(n *snapshot) [4]int {
		return [...]int{n.addresses.used, n.echoing.used, n.passing.used, n.natHosts.used}
	}
	if sizes(is) != sizes(should) {
		m.Fatalf("addresses, echoing, passing, nat hosts: %v, want %v", sizes(is), sizes(should))
	}
	for _, rs := range twoArm.servers {
		_, routed := is.natHosts.get(addressKey(packet.AddrOf(rs.addr)))
		if _, want := should.natHosts.get(addressKey(packet.AddrOf(rs.addr))); routed != want {
			m.Fatalf("%v is routed: %v, want %v", rs.addr, routed, want)
		}
	}
	for _, a := range modelAddresses {
		kind, ours := is.kindOf(a)
		wantKind, wantOurs := should.kindOf(a)
		passing, passes := is.passing.get(addressKey(a))
		wantPassing, wantPasses := should.passing.get(addressKey(a))
		switch {
		case kind != wantKind || ours != wantOurs:
			m.Fatalf("%v is %v, %v; want %v, %v", a, kind, ours, wantKind, wantOurs)
		case is.alive(a) != should.alive(a):
			m.Fatalf("%v is alive: %v", a, is.alive(a))
		case passes != wantPasses || passes && passing.live.id != wantPassing.live.id:
			m.Fatalf("%v passes requests to %+v, want %+v", a, passing, wantPassing)
		}
		if passing != nil {
			if entry, _ := is.serviceOf(passing.live); entry != passing {
				m.Fatalf("%v passes requests to an old %+v", a, passing)
			}
		}
		for port := range is.ports {
			if is.answers(port, a) != should.answers(port, a) {
				m.Fatalf("port %d answers for %v: %v", port, a, is.answers(port, a))
			}
		}
	}
}

// compareClaims compares which services claim some destinations.
func (m *changeModel) compareClaims(is, should *snapshot) {
	for _, a := range modelAddresses {
		for _, port := range []uint16{80, 81, 1080, 1081, 2000, 2001, 3000, 4090, 4091, 5000, 5200} {
			for _, p := range []uint8{packet.ProtocolTCP, packet.ProtocolUDP} {
				got, claimed := is.serviceAt(a, port, p)
				want, wanted := should.serviceAt(a, port, p)
				if claimed != wanted || claimed && got.live.id != want.live.id {
					m.Fatalf("%v port %d is claimed by %+v, want %+v", a, port, got, want)
				}
				if now, _ := is.serviceOf(m.liveOf(got)); claimed && now != got {
					m.Fatalf("%v port %d is claimed by an old %+v", a, port, got)
				}
			}
		}
	}
}

func (m *changeModel) liveOf(e *serviceEntry) *liveService {
	if e == nil {
		return &liveService{}
	}
	return e.live
}

func sameLocals(a, b *serviceEntry) bool {
	return slices.EqualFunc(a.local[:], b.local[:], func(a, b locals) bool {
		return slices.Equal(a.addresses, b.addresses)
	})
}

// compareServices compares two descriptions of a service, its pool, and its real servers'
// descriptions.
func (m *changeModel) compareServices(s, want *serviceEntry, is, should *snapshot) {
	if s.name != want.name || s.live.id != want.live.id || s.mode != want.mode ||
		s.sched != want.sched || s.echo != want.echo || !sameLocals(s, want) ||
		s.owner != want.owner || s.former != want.former || s.most != want.most ||
		s.step != want.step || s.source != want.source || s.charges != want.charges {
		m.Fatalf("the service is %+v, want %+v", s, want)
	}
	if found, _ := is.serviceOf(s.live); found != s {
		m.Fatalf("%v is found as %+v", s.live.id, found)
	}
	pool, wanted := s.live.pool.Load(), want.live.pool.Load()
	if pool.Kind() != wanted.Kind() || pool.Len() != wanted.Len() {
		m.Fatalf("the pool has %d real servers, want %d", pool.Len(), wanted.Len())
	}
	for i := range pool.Len() {
		a, b := described(pool.At(i)), described(wanted.At(i))
		e, o := *is.servers[a.ID], *should.servers[b.ID]
		if e.load != a.Load || o.load != b.Load || a.Load.Overloaded() != b.Load.Overloaded() {
			m.Fatalf("the snapshot has %+v, the pool %+v", e, a)
		}
		if e.service != s.live || o.service != want.live {
			m.Fatalf("real server %v counts for another service", e.id)
		}
		a.ID, a.Load, e.load, e.use, e.incarnation = b.ID, b.Load, o.load, o.use, o.incarnation
		e.service = o.service
		if a != b || e != o {
			m.Fatalf("the real server is %+v, %+v; want %+v, %+v", a, e, b, o)
		}
	}
}

// compareViews compares what readers see of the services with the services.
func (m *changeModel) compareViews(r *registry) {
	for _, live := range r.services {
		v, want := live.view.Load(), r.newView(live)
		same := v.settings.equal(&want.settings) && v.settings.Silent == want.settings.Silent &&
			v.configured == want.configured && v.numbers == want.numbers &&
			v.forgotten == want.forgotten && v.released == want.released
		if !same || !slices.Equal(v.current(), want.current()) {
			m.Fatalf("readers see %+v of %v, which is %+v", v, live.id, want)
		}
		m.compareMembers(v.servers, want.servers)
	}
}

// compareRetired compares the retired local addresses that readers see with those that there are.
func (m *changeModel) compareRetired(seen []retiredLocal, all map[packet.Addr][]*liveService) {
	count := 0
	for _, services := range all {
		count += len(services)
	}
	wrong := slices.ContainsFunc(seen, func(l retiredLocal) bool {
		return !slices.Contains(all[l.address], l.service)
	})
	if wrong || len(seen) != count {
		m.Fatalf("readers see %v retired, but it is %v", seen, all)
	}
}

// compareMembers compares two lists of real servers but for their order.
func (m *changeModel) compareMembers(a, b []*liveServer) {
	is := map[*liveServer]bool{}
	for _, server := range a {
		is[server] = true
	}
	missing := slices.ContainsFunc(b, func(server *liveServer) bool { return !is[server] })
	if len(a) != len(b) || missing {
		m.Fatalf("readers see %d real servers, want %d", len(a), len(b))
	}
}

// described is a real server without what its pool remembers of it, such as its latest weight.
func described(s *sched.Server) sched.Server {
	return sched.Server{
		ID: s.ID, Weight: s.Weight, Upper: s.Upper, Lower: s.Lower, Load: s.Load, Hashed: s.Hashed,
		Share: s.Share,
	}
}

// compareRemembered compares what is kept of removed real servers.
func (m *changeModel) compareRemembered(is, should *Engine) {
	n, r := is.snap.Load(), is.registry
	configured, sockets := 0, map[lookupKey]bool{}
	for id, s := range n.servers {
		live := r.live[id]
		service := r.services[live.id.Service]
		known, remembered := uint32(0), false
		if service != nil {
			known, remembered = service.servers[live.id.Address]
		}
		remembered = remembered && int(known) == id
		if remembered && live.clientEnd {
			sockets[endKey(live.id)] = true
		}
		if remembered == slices.ContainsFunc(r.free, func(f freeID) bool { return int(f.id) == id }) {
			m.Fatalf("id %d: remembered %v, and free as well as not", id, remembered)
		}
		if !s.gone {
			configured++
		}
	}
	if want := len(should.snap.Load().servers); configured != want {
		m.Fatalf("%d real servers are not gone, want %d", configured, want)
	}
	ends := n.clientEnds.used
	if len(r.live) != len(n.servers) || ends != len(sockets) || len(r.ends) != len(sockets) {
		m.Fatalf("%d ids, %d entries; %d sockets of %d", len(r.live), len(n.servers), ends, len(sockets))
	}
	for key := range sockets {
		if _, known := n.clientEnds.get(key); !known {
			m.Fatalf("%v is not found", key)
		}
	}
	for _, key := range should.snap.Load().clientEnds.keys {
		if _, known := n.clientEnds.get(key); key.rest != 0 && !known {
			m.Fatalf("%v is not found", key)
		}
	}
	slices.Sort(r.gone)
	if gone := slices.Clone(r.gone); len(slices.Compact(gone)) != len(r.gone) {
		m.Fatalf("%v are gone", r.gone)
	}
}
