package engine

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/sched"
)

// snapshot is the configuration as workers read it. It never changes once it is published.
type snapshot struct {
	epoch      uint16 // counts snapshots; sessions remember it with their next hops
	settings   Settings
	ports      []portEntry
	routes     routeTable
	services   lookup // serviceIndex key -> index in pools
	pools      []servicePool
	removed    [][]uint32    // by index in pools, ids of real servers that a service had: what they counted is the service's still
	forgotten  []Traffic     // by index in pools, what real servers counted that have no id any more
	servers    []serverEntry // by real server id
	before     []Traffic     // by real server id, what the id counted for others
	addresses  lookup        // addressIndex key -> addressKind
	echoing    lookup        // addressIndex key of a VIP -> index in echoes
	passing    lookup        // addressIndex key of a VIP -> index in pools of the service whose real servers answer its echo requests
	echoes     [][]uint32    // indices in pools of services whose VIP answers echo requests for them
	natServers lookup        // serviceIndex key of a real server of mode nat -> 0

	announcements []announcement // by port and address
}

// addressKind says what an address of the director's is for.
type addressKind uint32

const (
	ownAddress addressKind = iota
	vip
	localAddress
	subnetBroadcast // nobody's, but nobody else's either
)

// portEntry is a port as workers see it.
type portEntry struct {
	mac     packet.MAC
	station packet.Station       // the same, for comparison
	own     []netip.Prefix       // its addresses, with their subnets
	answers map[packet.Addr]bool // addresses for which ARP is answered here
}

// servicePool is a service as workers see it.
type servicePool struct {
	pool    *sched.Pool
	servers []uint32      // real server ids, in the pool's order
	local   []packet.Addr // local addresses
	mode    modes.Mode
}

// serverEntry is a real server as workers see it.
type serverEntry struct {
	load      *sched.Load
	address   packet.Addr
	port      uint16
	mode      modes.Mode
	clients6  bool              // its service's address is of IPv6
	servers6  bool              // its own is
	mss       uint16            // what SYNs may say at most; 0 is anything
	overheads [2]int8           // what the mode adds to a packet, in bytes, by direction
	views     [2]conntrack.View // TCP state table by direction
	gone      bool              // removed from the configuration; sessions may still refer to it
}

// buildSnapshot makes the snapshot of settings that were validated.
func buildSnapshot(s Settings, devices []ports.Port, r *registry, epoch uint16, now time.Time) *snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := &snapshot{epoch: epoch, settings: s}
	n.addPorts(devices)
	n.routes = newRouteTable(s)
	n.addServices(r, now)
	n.addAddresses()
	n.addAnnouncements()
	return n
}

func (n *snapshot) addPorts(devices []ports.Port) {
	for i, d := range devices {
		e := portEntry{mac: d.MAC(), station: packet.NewStation(d.MAC()), answers: map[packet.Addr]bool{}}
		for _, a := range n.settings.Ports[i].Addresses {
			e.own = append(e.own, a)
			e.answers[packet.AddrOf(a.Addr())] = true
		}
		n.ports = append(n.ports, e)
	}
}

func (n *snapshot) addServices(r *registry, now time.Time) {
	index := map[lookupKey]uint32{}
	places := map[serviceKey]int{}
	current := map[uint32]bool{}
	for i, s := range n.settings.Services {
		index[serviceIndex(packet.AddrOf(s.Address.Addr()), s.Address.Port(), s.Protocol)] = uint32(i)
		places[serviceKey{s.Protocol, s.Address}] = i
		p := newServicePool(s, r)
		n.pools = append(n.pools, p)
		n.forgotten = append(n.forgotten, r.service(serviceKey{s.Protocol, s.Address}).forgotten)
		for _, id := range p.servers {
			current[id] = true
		}
	}
	n.services = newLookup(index)
	n.addEchoes()
	n.natServers = newLookup(natServers(r))
	r.keep(now, current, places)
	n.removed = make([][]uint32, len(n.pools))
	for id := range r.live {
		n.addServer(uint32(id), r.live[id], places, !current[uint32(id)])
	}
}

// addServer adds a real server that is there or was, and tells its service, if that is there, of one that was.
func (n *snapshot) addServer(id uint32, live *liveServer, places map[serviceKey]int, gone bool) {
	i, serves := places[live.key.service]
	var mss uint16
	if serves {
		mss = n.settings.Services[i].MSS
	}
	n.servers = append(n.servers, newServerEntry(live, mss, gone))
	n.before = append(n.before, live.before)
	if serves && gone && !live.freed {
		n.removed[i] = append(n.removed[i], id)
	}
}

func newServerEntry(live *liveServer, mss uint16, gone bool) serverEntry {
	mode := live.key.mode
	e := serverEntry{
		load:     &live.load,
		address:  packet.AddrOf(live.key.address.Addr()),
		port:     live.key.address.Port(),
		mode:     mode,
		clients6: live.key.service.address.Addr().Is6(),
		servers6: live.key.address.Addr().Is6(),
		mss:      mss,
		views:    [2]conntrack.View{modes.View(mode, conntrack.Inbound), modes.View(mode, conntrack.Outbound)},
		gone:     gone,
	}
	for _, d := range []conntrack.Direction{conntrack.Inbound, conntrack.Outbound} {
		e.overheads[d] = int8(modes.Overhead(mode, d, e.clients6, e.servers6))
	}
	return e
}

// addEchoes collects the services for which each VIP answers echo requests, and those whose real servers do.
func (n *snapshot) addEchoes() {
	index, passing := map[lookupKey]uint32{}, map[lookupKey]uint32{}
	for i, s := range n.settings.Services {
		k := addressIndex(packet.AddrOf(s.Address.Addr()))
		if !s.Echo {
			passing[k] = uint32(i)
			continue
		}
		if _, known := index[k]; !known {
			index[k] = uint32(len(n.echoes))
			n.echoes = append(n.echoes, nil)
		}
		n.echoes[index[k]] = append(n.echoes[index[k]], uint32(i))
	}
	n.echoing = newLookup(index)
	if len(passing) > 0 {
		n.passing = newLookup(passing)
	}
}

// alive reports whether a VIP answers echo requests: one of the services that want it has a real server available.
func (n *snapshot) alive(vip packet.Addr) bool {
	i, ok := n.echoing.get(addressIndex(vip))
	if !ok {
		return false
	}
	for _, pool := range n.echoes[i] {
		if n.pools[pool].pool.Available() {
			return true
		}
	}
	return false
}

// natServers are the addresses and ports from which answers of mode nat come, also those of sessions whose real server was removed.
func natServers(r *registry) map[lookupKey]uint32 {
	index := map[lookupKey]uint32{}
	for _, live := range r.live {
		if k := live.key; k.mode == modes.NAT && !live.freed {
			index[serviceIndex(packet.AddrOf(k.address.Addr()), k.address.Port(), k.service.protocol)] = 0
		}
	}
	return index
}

func newServicePool(s Service, r *registry) servicePool {
	key := serviceKey{s.Protocol, s.Address}
	p := servicePool{mode: s.Mode}
	var members []sched.Server
	for _, rs := range s.RealServers {
		id := r.server(serverKey{key, rs.Address, s.Mode})
		p.servers = append(p.servers, id)
		members = append(members, sched.Server{
			ID: id, Weight: rs.Weight, Upper: rs.UpperThreshold, Lower: rs.LowerThreshold,
			Load: &r.live[id].load,
		})
	}
	published := &r.service(key).pool
	p.pool = sched.NewPool(s.Scheduler, members, published.Load())
	p.pool.Publish(published)
	for _, a := range s.LocalAddresses {
		p.local = append(p.local, packet.AddrOf(a))
	}
	return p
}

// addAddresses collects the director's addresses and decides where ARP for them is answered.
func (n *snapshot) addAddresses() {
	kinds := map[lookupKey]uint32{}
	for _, s := range n.settings.Services {
		for _, a := range s.LocalAddresses {
			kinds[addressIndex(packet.AddrOf(a))] = uint32(localAddress)
			n.answer(a)
		}
	}
	for i := range n.ports {
		for a := range n.ports[i].answers {
			if _, known := kinds[addressIndex(a)]; !known {
				kinds[addressIndex(a)] = uint32(ownAddress)
			}
		}
		for _, p := range n.ports[i].own {
			if p.Addr().Is4() && p.Bits() < 31 {
				kinds[addressIndex(packet.AddrOf4(packet.Addr4(p.Addr())|^uint32(0)>>p.Bits()))] = uint32(subnetBroadcast)
			}
		}
	}
	for _, s := range n.settings.Services {
		kinds[addressIndex(packet.AddrOf(s.Address.Addr()))] = uint32(vip)
		n.answer(s.Address.Addr())
	}
	n.addresses = newLookup(kinds)
}

// addAnnouncements puts what each port answers for into an order, so that a run can be repeated.
func (n *snapshot) addAnnouncements() {
	for i := range n.ports {
		for _, address := range slices.SortedFunc(maps.Keys(n.ports[i].answers), packet.Addr.Compare) {
			n.announcements = append(n.announcements, announcement{i, address})
		}
	}
}

// answer makes an address answered on the port whose subnet holds it, or on all ports if none does: then
// somebody routes it here, and who asks for it does so by mistake or by design.
func (n *snapshot) answer(a netip.Addr) {
	found := false
	for i := range n.ports {
		if n.ports[i].onSubnet(packet.AddrOf(a)) {
			n.ports[i].answers[packet.AddrOf(a)] = true
			found = true
		}
	}
	for i := range n.ports {
		if !found {
			n.ports[i].answers[packet.AddrOf(a)] = true
		}
	}
}

func (e *portEntry) onSubnet(a packet.Addr) bool {
	to := a.Netip()
	return slices.ContainsFunc(e.own, func(p netip.Prefix) bool { return p.Contains(to) })
}

// sourceTowards returns the port's own address for what the director originates towards a: the one on a's
// subnet, else the first of a's family; the zero Addr if the port has none.
func (e *portEntry) sourceTowards(a packet.Addr) packet.Addr {
	to, first := a.Netip(), packet.Addr{}
	for _, p := range e.own {
		if p.Contains(to) {
			return packet.AddrOf(p.Addr())
		}
		if first == (packet.Addr{}) && p.Addr().Is4() == a.Is4() {
			first = packet.AddrOf(p.Addr())
		}
	}
	return first
}

// kindOf tells what an address is to the director; ok is false for anybody else's.
func (n *snapshot) kindOf(address packet.Addr) (addressKind, bool) {
	k, ok := n.addresses.get(addressIndex(address))
	return addressKind(k), ok
}
