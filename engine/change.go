package engine

import (
	"cmp"
	"slices"
	"time"

	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/sched"
)

// Change is a change of some services. It leaves all other services as they are.
type Change struct {
	Put    []Service // replaced, or added after all others
	Remove []lvs.ServiceID
}

// Apply makes settings, which the caller has validated, the running ones as a whole. It leaves
// unchanged parts alone. It returns ErrManyServers without any change if there are too many real
// servers, and another error likewise if there is no memory for limits of sources. Any goroutine
// may call it.
func (e *Engine) Apply(s Settings) error { return e.applyAt(s, time.Now()) }

func (e *Engine) applyAt(s Settings, now time.Time) error {
	c := e.begin(now)
	c.forget()
	err := c.room(s.Services)
	if err == nil {
		c.apply(&s)
	}
	c.publish()
	return err
}

func (c *change) apply(s *Settings) {
	c.whole = true
	c.setTopology(s)
	c.setOptions(s)
	wanted := make(map[lvs.ServiceID]bool, len(s.Services))
	for i := range s.Services {
		wanted[s.Services[i].ID()] = true
	}
	for _, old := range c.old.order {
		if !wanted[old.live.id] {
			c.remove(old.live)
		}
	}
	for i := range s.Services {
		c.put(&s.Services[i])
	}
	c.setOrder(s.Services)
}

// Change applies a change of some services, which the caller has validated. Its cost depends on the
// size of the change: new weights and thresholds alone replace a pool. It returns errors as Apply
// does. Any goroutine may call it.
func (e *Engine) Change(n Change) error { return e.changeAt(n, time.Now()) }

func (e *Engine) changeAt(n Change, now time.Time) error {
	c := e.begin(now)
	if now.Sub(e.registry.looked) >= forgetEvery {
		c.forget()
	}
	err := c.room(n.Put)
	if err == nil {
		c.edit(&n)
	}
	c.publish()
	return err
}

// room returns an error if there is no room for what some services need.
func (c *change) room(services []Service) error {
	if err := c.registry.room(services); err != nil {
		return err
	}
	return c.reserveSources(services)
}

// reserveSources makes the table of sources for the first service with limits of its sources.
func (c *change) reserveSources(services []Service) (err error) {
	cfg := &c.engine.cfg
	for i := range services {
		if c.new.sources == nil && err == nil && services[i].limitsSources() {
			c.new.sources, err = newSourceTable(cfg.Sessions+cfg.SessionsV6, newRandom(cfg.Seed))
		}
	}
	return err
}

func (c *change) edit(n *Change) {
	for _, id := range n.Remove {
		if s := c.registry.services[id]; s != nil && s.configured {
			c.remove(s)
		}
	}
	for i := range n.Put {
		c.put(&n.Put[i])
	}
}

// change is a snapshot in the making. Another change waits for it, and readers do not. The new
// snapshot shares each field with the old one until the field's first change.
type change struct {
	engine   *Engine
	registry *registry
	now      time.Time
	old, new *snapshot
	whole    bool // put leaves the order of services to setOrder
	changed  bool // there is a new snapshot to publish

	own      owned // parts of the new snapshot that are copies
	pools    []builtPool
	touched  []packet.Addr        // VIPs and local addresses that may have changed
	reranged bool                 // the ranges are to be built anew
	moved    []lvs.Match          // that other services may claim than before
	others   map[packet.Addr]bool // see stations
	renewed  map[*liveService]bool
}

// owned says which parts of a new snapshot have been copied.
type owned struct {
	services, order, servers, addresses, echoing, passing, clientEnds, leaving, natHosts bool
}

// builtPool is a pool that is published after the snapshot with its real servers.
type builtPool struct {
	service *liveService
	pool    *sched.Pool
}

// begin starts a change once those before it are over. The caller ends it with publish.
func (e *Engine) begin(now time.Time) *change {
	e.registry.changing.Lock()
	c := &change{
		engine: e, registry: e.registry, now: now, old: e.snap.Load(),
		renewed: map[*liveService]bool{},
	}
	if c.old == nil {
		c.old = &snapshot{topology: &topology{}}
	}
	n := *c.old
	c.new = &n
	return c
}

// publish shows the change to readers and then to workers: first the snapshot, which has every real
// server of the pools, then the pools, then the addresses to announce.
func (c *change) publish() {
	defer c.registry.changing.Unlock()
	c.setRanges()
	c.followMoved()
	c.setAddresses()
	c.publishViews()
	c.publishSnapshot()
	c.publishPools()
	c.engine.announcements.add(c.newAddresses())
}

func (c *change) publishSnapshot() {
	if c.changed {
		c.new.reuses = c.registry.reuses
		c.registry.revision++
		c.new.revision = c.registry.revision
		c.new.retired = c.registry.retiredLocals()
		c.new.moving, c.new.rerouted = c.registry.moving(), c.registry.rerouted
		c.new.strays = c.registry.strays
		c.engine.snap.Store(c.new)
	}
}

func (c *change) publishPools() {
	for _, b := range c.pools {
		b.pool.Publish(&b.service.pool)
	}
}

// forget frees the ids of real servers that were removed long ago.
func (c *change) forget() {
	c.engine.counting.RLock()
	defer c.engine.counting.RUnlock()
	for _, live := range c.registry.forget(c.now, c.engine.counted) {
		c.removeClientEnd(live)
		if c.registry.services[live.id.Service] == live.of {
			c.renew(live.of)
		}
	}
	c.forgetAllLeft()
}

// setTopology adopts ports, routes and neighbours if they have changed.
func (c *change) setTopology(s *Settings) {
	next := topologySettings{s.Ports, s.Routes, s.Neighbours}
	if c.old.epoch != 0 && next.equal(&c.old.topology.settings) {
		return
	}
	c.changed = true
	c.reroute()
	c.new.topology = newTopology(next, c.engine.cfg.Ports, c.old.epoch+1)
	for a := range c.registry.retired { // which may be other stations' now
		c.touched = append(c.touched, a)
	}
	for _, t := range []*topology{c.old.topology, c.new.topology} {
		for _, p := range t.settings.ports {
			c.touchPort(p)
		}
	}
}

// touchPort marks the addresses whose kind depends on a port's settings.
func (c *change) touchPort(p PortSettings) {
	for _, a := range p.Addresses {
		c.touched = append(c.touched, packet.AddrOf(a.Addr()))
		if a.Addr().Is4() && a.Bits() < 31 {
			c.touched = append(c.touched, packet.AddrOf(broadcastOf(a)))
		}
	}
}

// setOptions adopts switches and timeouts.
func (c *change) setOptions(s *Settings) {
	next := *s
	next.Ports, next.Routes, next.Neighbours, next.Services = nil, nil, nil, nil
	c.changed = c.changed || !next.sameOptions(&c.old.settings)
	c.new.settings = next
	c.setRouting()
}

// setOrder gives the new snapshot the configuration's order of services.
func (c *change) setOrder(all []Service) {
	order := make([]*serviceEntry, len(all))
	for i := range all {
		order[i], _ = c.new.serviceOf(c.registry.services[all[i].ID()])
	}
	if !slices.Equal(order, c.old.order) {
		c.changed = true
		c.new.order, c.own.order = order, true
	}
}

// place puts a service's new description in the place of the old one, or at the end.
func (c *change) place(entry *serviceEntry) {
	if c.whole {
		return
	}
	order := c.ownOrder()
	if i := slices.IndexFunc(*order, entry.sameService); i >= 0 {
		(*order)[i] = entry
	} else {
		*order = append(*order, entry)
	}
}

func (e *serviceEntry) sameService(o *serviceEntry) bool { return e.live == o.live }

// put adds a service or changes the existing one. An unchanged service costs only the comparison.
func (c *change) put(s *Service) {
	live := c.registry.service(s.ID())
	c.setSilent(live, s)
	was := live.settings
	if live.configured && was.equal(s) {
		return
	}
	c.renew(live)
	fresh := !live.configured
	if fresh {
		live.configured = true
	}
	had := c.sessionAddresses(live, s)
	live.settings = *s
	live.settings.SilentAt = slices.Clone(s.SilentAt)
	live.settings.RealServers = slices.Clone(s.RealServers)
	live.settings.LocalAddresses = slices.Clone(s.LocalAddresses)
	live.settings.Matches = slices.Clone(s.Matches)
	c.claim(live, &was)
	c.numberLocals(live, had)
	c.touchRetired(was.RealServers)
	c.touchRetired(s.RealServers)
	c.setOwner(live, fresh)
	c.setTimeouts(live)
	before := live.pool.Load()
	if fresh {
		before = nil // of a service that was removed: the kernel's forgets its place
	}
	c.putServers(live, &was, before)
	c.recountHosts(&was, &live.settings)
	if fresh || !was.sameEntry(s) {
		c.putEntry(live, &was)
	}
}

// setSilent notes whether a service wants its VIP announced. It concerns no session and no packet,
// so that all services may fall silent at once.
func (c *change) setSilent(live *liveService, s *Service) {
	if !live.settings.sameSilence(s) {
		live.settings.Silent, live.settings.SilentAt = s.Silent, slices.Clone(s.SilentAt)
		c.renew(live)
		for _, m := range live.settings.addressed() {
			c.touched = append(c.touched, packet.AddrOf(m.First))
		}
		c.reranged = c.reranged || c.registry.ranged[live]
	}
}

// putEntry gives the new snapshot the description of a service.
func (c *change) putEntry(live *liveService, was *Service) {
	c.changed = true
	entry := newServiceEntry(live)
	if entry.most != 0 {
		c.new.limits++
	}
	c.enter(entry)
	c.place(entry)
	c.countLocals(was, -1)
	c.countLocals(&live.settings, 1)
	c.setEchoes(live)
}

func newServiceEntry(live *liveService) *serviceEntry {
	s := &live.settings
	e := &serviceEntry{
		live: live, name: s.Name, mode: s.Mode, sched: s.Scheduler, echo: s.Echo, most: s.MaxSessions,
		refuse: s.Refuse, answers: s.answers(), owner: live.owner, former: live.former,
		sticky: newSticky(s), onePacket: s.OnePacket,
	}
	if s.MaxRate != 0 {
		e.step = stepOf(s.MaxRate)
	}
	if s.MaxRatePerSource != 0 {
		e.source.step = stepOf(s.MaxRatePerSource)
	}
	e.source.most = uint32(s.MaxSessionsPerSource)
	e.charges = e.step != 0 || !e.source.none()
	e.ranged, e.spread = s.ranged(), s.spread()
	if claims := s.claims(); len(claims) > 0 {
		e.first = packet.AddrOf(claims[0].First)
	}
	for _, address := range s.LocalAddresses {
		a := packet.AddrOf(address)
		number, _ := live.numbers.of.get(addressKey(a))
		l := &e.local[familyOf(a)]
		l.addresses, l.numbers = append(l.addresses, a), append(l.numbers, number)
	}
	return e
}

// familyOf returns 0 for IPv4 and 1 for IPv6.
func familyOf(a packet.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// putServers gives a service the real servers of its settings: ids, entries where new or different,
// and a pool that follows the one before. It marks the others as gone.
func (c *change) putServers(live *liveService, was *Service, before *sched.Pool) {
	s := &live.settings
	members := make([]sched.Server, 0, len(s.RealServers))
	var down []*sched.Load
	for _, rs := range s.RealServers {
		id := c.registry.server(live, rs.Address)
		member := sched.Server{
			ID: id, Weight: rs.Weight, Upper: rs.UpperThreshold, Lower: rs.LowerThreshold,
			Share: rs.Share, Load: &c.registry.live[id].load,
			Hashed: sched.HashedOf(packet.AddrOf(s.Address.Addr()), packet.AddrOf(rs.Address.Addr()), rs.Address.Port()),
		}
		if rs.Inhibited {
			member.Weight = 0
		}
		if rs.Down {
			down = append(down, member.Load)
		} else {
			members = append(members, member)
		}
		c.registry.numberUse(c.registry.live[id], live)
		mode := s.modeOf(&rs)
		entry := newServerEntry(c.registry.live[id], live, s, mode)
		entry.evidence = c.registry.live[id].evidenceFor(rs.Watched, c.registry.workers)
		c.putServer(id, entry)
		c.putClientEnd(c.registry.live[id], mode)
	}
	c.removeServers(live, was.RealServers, s.RealServers)
	rule := sched.Rule{
		Kind: s.Scheduler, Flags: s.SchedulerFlags, Seed: c.engine.drawSeed + uint64(live.number),
	}
	pool := sched.NewPool(rule, members, before)
	pool.LeaveOut(down)
	c.putPool(live, pool)
}

// putPool publishes a pool after the snapshot. A service that the old snapshot lacks gets its pool
// at once: workers must find one as soon as they see the service.
func (c *change) putPool(live *liveService, pool *sched.Pool) {
	if _, known := c.old.serviceOf(live); known {
		c.pools = append(c.pools, builtPool{live, pool})
		return
	}
	pool.Publish(&live.pool)
}

// putServer gives the new snapshot the description of a real server, unless it is unchanged.
func (c *change) putServer(id uint32, e serverEntry) {
	if int(id) < len(c.new.servers) && *c.new.servers[id] == e {
		return
	}
	c.setServer(id, e)
}

// putClientEnd assigns the packets of a real server's socket to their clients' workers, if its mode
// asks for that. It stays so while the real server is remembered, since sessions of that mode may
// exist.
func (c *change) putClientEnd(live *liveServer, mode lvs.Mode) {
	if live.clientEnd || mode.Owner() != lvs.ClientEnd {
		return
	}
	live.clientEnd = true
	for _, key := range endKeys(live.id) {
		if c.registry.ends[key]++; c.registry.ends[key] == 1 {
			c.ownClientEnds(1).set(key, struct{}{})
		}
	}
	c.countAnyPort(live, 1)
}

// countAnyPort adds by, 1 or -1, to the number of real servers at every port.
func (c *change) countAnyPort(live *liveServer, by int) {
	if live.id.Address.Port() == 0 {
		c.registry.anyPort += by
		c.new.anyPort = c.registry.anyPort > 0
	}
}

// removeClientEnd reverses putClientEnd. Real servers of several services may share a socket.
func (c *change) removeClientEnd(live *liveServer) {
	if !live.clientEnd {
		return
	}
	for _, key := range endKeys(live.id) {
		if c.registry.ends[key]--; c.registry.ends[key] == 0 {
			delete(c.registry.ends, key)
			c.ownClientEnds(0).remove(key)
		}
	}
	c.countAnyPort(live, -1)
}

// removeServers marks the real servers that are no longer wanted as gone.
func (c *change) removeServers(live *liveService, old, wanted []RealServer) {
	for _, rs := range old {
		if slices.ContainsFunc(wanted, func(w RealServer) bool { return w.Address == rs.Address }) {
			continue
		}
		id := live.servers[rs.Address]
		c.registry.remove(id, c.now)
		gone := *c.new.servers[id]
		gone.gone = true
		c.new.removals++
		c.setServer(id, gone)
	}
}

// remove takes a service out of the configuration. Its sessions and its real servers' counts stay.
func (c *change) remove(live *liveService) {
	c.changed = true
	c.renew(live)
	was := live.settings
	live.configured, live.settings = false, Service{}
	c.removeServers(live, was.RealServers, nil)
	c.claim(live, &was)
	c.ownServices(0).remove(entryKey(live))
	if !c.whole {
		order := c.ownOrder()
		*order = slices.DeleteFunc(*order, func(e *serviceEntry) bool { return e.live == live })
	}
	c.countLocals(&was, -1)
	c.dropRetired(live)
	c.touchRetired(was.RealServers)
	c.countHosts(&was, -1)
	c.registry.dropUnused(live)
}

// countLocals adds by, 1 or -1, to the number of services that use each local address of a service.
func (c *change) countLocals(s *Service, by int) {
	for _, address := range s.LocalAddresses {
		a := packet.AddrOf(address)
		if c.registry.locals[a] += by; c.registry.locals[a] == 0 {
			delete(c.registry.locals, a)
		}
		c.touched = append(c.touched, a)
	}
}

// setEchoes decides which services answer echo requests to the VIPs of a service.
func (c *change) setEchoes(live *liveService) {
	done := map[packet.Addr]bool{}
	for _, m := range live.settings.addressed() {
		if vip := packet.AddrOf(m.First); !done[vip] {
			done[vip] = true
			c.setEcho(vip)
		}
	}
}

// setEcho decides which services answer echo requests to a VIP, and marks the VIP as touched.
func (c *change) setEcho(vip packet.Addr) {
	c.touched = append(c.touched, vip)
	g := &echoGroup{}
	var passing *liveService
	for _, s := range c.registry.vips[vip] {
		if s.settings.Echo {
			g.services = append(g.services, s)
		} else {
			passing = s
		}
	}
	setOrRemove(c.ownEchoing(1), vip, g, len(g.services) > 0)
	if _, was := c.new.passing.get(addressKey(vip)); was || passing != nil {
		var entry *serviceEntry
		if passing != nil {
			entry, _ = c.new.serviceOf(passing)
		}
		setOrRemove(c.ownPassing(1), vip, entry, passing != nil)
	}
}

func setOrRemove[V any](l *lookup[V], a packet.Addr, v V, keep bool) {
	if keep {
		l.set(addressKey(a), v)
	} else {
		l.remove(addressKey(a))
	}
}

// setAddresses gives each touched address its kind.
func (c *change) setAddresses() {
	if len(c.touched) == 0 {
		return
	}
	c.touched = sortedUnique(c.touched)
	for _, a := range c.touched {
		kind, ours := c.kindOf(a)
		if was, known := c.new.addresses.get(addressKey(a)); ours == known && was == kind {
			continue
		}
		setOrRemove(c.ownAddresses(1), a, kind, ours)
	}
}

// kindOf returns the new kind of an address: a VIP comes first, then what its port makes of it. An
// address that is only in ranges has none: they tell.
func (c *change) kindOf(a packet.Addr) (addressKind, bool) {
	kind, ours := c.new.fixedKind(a)
	services := c.registry.vips[a]
	byRange, inRange := c.kindInRanges(a)
	loud := ours && kind == ownAddress || inRange && byRange == vip ||
		slices.ContainsFunc(services, func(s *liveService) bool { return s.announcesAt(a) })
	switch {
	case len(services) > 0 && loud:
		return vip, true
	case len(services) > 0:
		return passiveVIP, true
	case ours && kind == subnetBroadcast:
		return kind, true
	case inRange && !ours:
		return kind, false
	case c.registry.locals[a] > 0:
		return localAddress, true
	case c.retains(a):
		return retiredAddress, true
	}
	return kind, ours
}

func (c *change) kindInRanges(a packet.Addr) (addressKind, bool) {
	if c.new.ranges == nil {
		return 0, false
	}
	return c.new.ranges.kindOf(a)
}

// newAddresses returns the addresses that ports are to announce now but were not before. It goes by
// the order of ports and addresses, so that a run can be repeated.
func (c *change) newAddresses() []announcement {
	all := c.touched
	if c.old.topology != c.new.topology {
		all = c.new.addresses.all()
	}
	if c.reranged || c.old.topology != c.new.topology {
		all = sortedUnique(append(all, c.new.rangedAddresses()...))
	}
	var fresh []announcement
	for port := range c.new.ports {
		for _, a := range all {
			was := c.old.epoch != 0 && c.old.announced(port, a)
			if !was && c.new.announced(port, a) {
				fresh = append(fresh, announcement{port, a})
			}
		}
	}
	sortAnnouncements(fresh)
	return fresh
}

func sortedUnique(all []packet.Addr) []packet.Addr {
	slices.SortFunc(all, packet.Addr.Compare)
	return slices.Compact(all)
}

func sortAnnouncements(all []announcement) {
	slices.SortFunc(all, func(a, b announcement) int {
		return cmp.Or(cmp.Compare(a.port, b.port), a.address.Compare(b.address))
	})
}
