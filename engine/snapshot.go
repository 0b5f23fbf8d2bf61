package engine

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/sched"
)

// snapshot is the configuration for workers. It never changes after it is published, and shares
// unchanged parts with the snapshot before. Weights and thresholds are in the services' pools,
// which are replaced one by one.
type snapshot struct {
	*topology
	settings Settings              // without the settings of topology and services
	services lookup[*serviceEntry] // by single match, and by entryKey
	ranges   *ranges               // nil if there are none
	order    []*serviceEntry       // in the order of the configuration
	servers  []*serverEntry        // by real server id
	reuses   uint32                // how many ids were given to another real server so far
	removals uint32                // how many real servers were removed so far
	limits   uint32                // how many times a service got a limit so far
	sources  *sourceTable          // nil until a service has limits of its sources; then it stays
	timed    uint32                // how many times a service got other timeouts of its own so far
	revision uint64                // counts the snapshots
	moving   bool                  // sessions may be at workers that do not own their flows any more
	rerouted bool                  // of them, those of answers to local addresses
	strays   *strays               // of them, those of an earlier run; nil if there are none
	// addresses holds the director's addresses, but for those that only a topology has.
	addresses lookup[addressKind]
	echoing   lookup[*echoGroup] // by VIP
	// passing holds, by VIP, the service whose real servers answer its echo requests.
	passing lookup[*serviceEntry]
	// clientEnds holds real servers' sockets. A packet from such a socket belongs to the worker of
	// the client to which it goes.
	clientEnds lookup[struct{}]
	// anyPort: clientEnds holds real servers at every port, with port 0.
	anyPort bool
	// leaving holds the owner of clients' flows of each single match that was given up and may have
	// sessions.
	leaving lookup[lvs.Owner]
	retired []retiredLocal // for readers
	// longestOwn holds the longest timeouts that any service has ever had of its own; zero if none.
	longestOwn conntrack.Timeouts
	// natHosts holds the addresses of nat real servers, if their own packets are routed.
	natHosts lookup[struct{}]
}

// topology is what next hops depend on. It changes seldom. After a change, sessions look up their
// next hop again.
type topology struct {
	epoch    uint32 // counts topologies from 1 on; sessions remember it with their next hop
	settings topologySettings
	ports    []portEntry
	routes   routeTable
}

// topologySettings are the settings that a topology is made of.
type topologySettings struct {
	ports      []PortSettings
	routes     []Route
	neighbours []StaticNeighbour
}

// addressKind says what an address of the director is for.
type addressKind uint8

const (
	ownAddress addressKind = iota
	vip
	passiveVIP // the director neither announces nor answers for it, and forwards what comes
	localAddress
	retiredAddress  // a local address that only old sessions need
	subnetBroadcast // no host has it, and the director does not answer for it
)

// isLocal reports whether real servers send their answers to an address of the kind.
func (k addressKind) isLocal() bool { return k == localAddress || k == retiredAddress }

// portEntry describes a port for workers.
type portEntry struct {
	mac     packet.MAC
	station packet.Station // mac in the form for comparison
	own     []netip.Prefix // its addresses, with their subnets
	mtu     int            // bytes of an IP packet
	host    bool           // it has a host interface
}

// serviceEntry describes a service for workers.
type serviceEntry struct {
	live  *liveService
	name  string
	mode  lvs.Mode // of real servers without their own
	sched sched.Kind
	echo  bool
	answers
	local  [2]locals // for real servers of IPv4, and of IPv6
	most   int       // sessions, max_sessions; 0 is no limit
	step   uint64    // the time in which its bucket gets a token, see stepOf; 0 is no max_rate
	source sourceLimits
	// charges: it has a rate or limits of its sources.
	charges bool
	owner   lvs.Owner // which worker owns its clients' flows
	refuse  lvs.Refusal
	former  bool // sessions may exist that are owned by the other rule
	sticky  sticky
	first   packet.Addr // of its VIPs
	ranged  []lvs.Match // of several addresses or ports
	spread  []lvs.Match // of several addresses
	// onePacket: each datagram of UDP is scheduled alone.
	onePacket bool
}

// locals are local addresses of one family, with their numbers.
type locals struct {
	addresses []packet.Addr
	numbers   []uint32
}

// serverEntry describes a real server for workers.
type serverEntry struct {
	load        *sched.Load
	use         *localUse // nil if the service never had local addresses
	id          lvs.RealServerID
	address     packet.Addr
	port        uint16
	mode        lvs.Mode // of new sessions
	families    families
	mss         uint16 // bytes; upper limit in SYNs; 0 is none
	service     *liveService
	timeouts    *conntrack.Timeouts // of the service's own; nil if it has none
	gone        bool                // removed from the configuration; sessions may still refer to it
	incarnation uint32              // distinguishes real servers that had the same id
	evidence    *evidence           // nil if it is not watched
}

// families holds the family of a service's clients and that of a real server.
type families uint8

const (
	clients6 families = 1 << iota // clients come over IPv6
	servers6                      // the real server has an IPv6 address

	numFamilies = 4
)

// server returns 1 if the real server has an IPv6 address, and otherwise 0.
func (f families) server() int { return int(f >> 1) }

// mixed reports whether packets are translated between the families.
func (f families) mixed() bool { return f == clients6 || f == servers6 }

// way is what a mode does between two families.
type way struct {
	path      lvs.Path
	overheads [2]int8           // bytes that it adds to a packet, by direction
	views     [2]conntrack.View // TCP state table, by direction
}

// wayTable holds the way of every session: the mode is the session's own, the families are its real
// server's.
type wayTable [lvs.NumModes][numFamilies]way

// ordinaryWays and denialWays differ in the TCP state tables: the latter are secure_tcp's.
var (
	ordinaryWays = newWays(func(v conntrack.View) conntrack.View { return v })
	denialWays   = newWays(conntrack.View.Denial)
)

func newWays(table func(conntrack.View) conntrack.View) *wayTable {
	all := new(wayTable)
	for m := range all {
		for f := range families(numFamilies) {
			w := &all[m][f]
			w.path = lvs.Mode(m).Path()
			for _, d := range []conntrack.Direction{conntrack.Inbound, conntrack.Outbound} {
				overhead := modes.Overhead(lvs.Mode(m), d, f&clients6 != 0, f&servers6 != 0)
				w.overheads[d] = int8(overhead)
				w.views[d] = table(modes.View(lvs.Mode(m), d))
			}
		}
	}
	return all
}

// newServerEntry describes a real server of a service with some settings.
func newServerEntry(live *liveServer, of *liveService, s *Service, mode lvs.Mode) serverEntry {
	e := serverEntry{
		load: &live.load, use: live.use.Load(), id: live.id, incarnation: live.incarnation,
		address: packet.AddrOf(live.id.Address.Addr()), port: live.id.Address.Port(),
		mode: mode, mss: s.MSS, service: of, timeouts: of.timeouts,
	}
	if live.id.Service.Address.Addr().Is6() {
		e.families |= clients6
	}
	if live.id.Address.Addr().Is6() {
		e.families |= servers6
	}
	return e
}

// newTopology makes a topology from validated settings.
func newTopology(s topologySettings, devices []ports.Port, epoch uint32) *topology {
	t := &topology{epoch: epoch, settings: s, routes: newRouteTable(s)}
	for i, d := range devices {
		t.ports = append(t.ports, portEntry{
			mac: d.MAC(), station: packet.NewStation(d.MAC()), own: s.ports[i].Addresses,
			mtu: d.MTU(), host: s.ports[i].Host,
		})
	}
	return t
}

// equal reports whether other settings make the same topology.
func (s *topologySettings) equal(o *topologySettings) bool {
	samePort := func(a, b PortSettings) bool {
		return a.Host == b.Host && slices.Equal(a.Addresses, b.Addresses)
	}
	return slices.EqualFunc(s.ports, o.ports, samePort) && slices.Equal(s.routes, o.routes) &&
		slices.Equal(s.neighbours, o.neighbours)
}

// fixedKind returns the kind that the topology alone gives an address.
func (t *topology) fixedKind(a packet.Addr) (kind addressKind, ours bool) {
	to := a.Netip()
	for i := range t.ports {
		for _, p := range t.ports[i].own {
			switch {
			case p.Addr() == to:
				kind, ours = ownAddress, true
			case isBroadcast(p, to):
				return subnetBroadcast, true
			}
		}
	}
	return kind, ours
}

// isBroadcast reports whether an address is the broadcast address of a subnet.
func isBroadcast(subnet netip.Prefix, a netip.Addr) bool {
	return a.Is4() && subnet.Addr().Is4() && subnet.Bits() < 31 && a == broadcastOf(subnet)
}

// broadcastOf returns the broadcast address of an IPv4 subnet.
func broadcastOf(subnet netip.Prefix) netip.Addr {
	return packet.AddrFrom4(packet.Addr4(subnet.Addr()) | ^uint32(0)>>subnet.Bits())
}

// isVIP reports whether services may have the address, passive or not.
func (k addressKind) isVIP() bool { return k == vip || k == passiveVIP }

// kindOf returns the kind of a director's address; ok is false for any other address.
func (n *snapshot) kindOf(address packet.Addr) (addressKind, bool) {
	kind, ok := n.addresses.get(addressKey(address))
	if ok || n.ranges == nil {
		return kind, ok
	}
	return n.ranges.kindOf(address)
}

// announces reports whether an address is one that the director shows to others: a VIP that is not
// passive, a local address or a port's own. The director says nothing on its own account about any
// other.
func (n *snapshot) announces(a packet.Addr) bool {
	kind, ours := n.kindOf(a)
	return ours && kind != passiveVIP && kind != subnetBroadcast
}

// answers reports whether a port answers ARP and neighbour solicitations for an address: its own,
// and VIPs and local addresses on its subnets, but no passive VIPs. All ports answer for an address
// that is on no port's subnet, since it is routed to the director; but not for one of a range.
func (n *snapshot) answers(port int, a packet.Addr) bool {
	if n.ports[port].owns(a) {
		return true
	}
	if kind, ours := n.kindOf(a); !ours || kind != vip && !kind.isLocal() {
		return false
	}
	if n.ports[port].onSubnet(a) {
		return true
	}
	_, single := n.addresses.get(addressKey(a))
	return single && !slices.ContainsFunc(n.ports, func(e portEntry) bool { return e.onSubnet(a) })
}

// owns reports whether an address is one of the port's own.
func (e *portEntry) owns(a packet.Addr) bool {
	to := a.Netip()
	return slices.ContainsFunc(e.own, func(p netip.Prefix) bool { return p.Addr() == to })
}

func (e *portEntry) onSubnet(a packet.Addr) bool {
	to := a.Netip()
	return slices.ContainsFunc(e.own, func(p netip.Prefix) bool { return p.Contains(to) })
}

// sourceTowards returns the port's own address for packets that the director originates towards a:
// the one on a's subnet, otherwise the first of a's family. It returns the zero Addr if the port
// has none.
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

// echoGroup holds the services with Echo of a VIP.
type echoGroup struct {
	services []*liveService
	last     atomic.Uint32 // index of the service that last had a real server available
}

// alive reports whether a VIP answers echo requests: one of its services with Echo has a real
// server available. A group asks the service that had one last time first, and all of them only
// while none has.
func (n *snapshot) alive(vip packet.Addr) bool {
	g, ok := n.echoing.get(addressKey(vip))
	return ok && g.alive() || n.ranges != nil && n.ranges.alive(vip)
}

// alive reports whether a service of the group has a real server available.
func (g *echoGroup) alive() bool {
	last := int(g.last.Load())
	for i := range g.services {
		at := (last + i) % len(g.services)
		if g.services[at].pool.Load().Available() {
			if i != 0 {
				g.last.Store(uint32(at))
			}
			return true
		}
	}
	return false
}
