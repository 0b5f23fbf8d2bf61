package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/sched"
)

// registry holds the state of services and real servers that survives every change of the
// configuration: connection counts, pools and totals. It belongs to the control side; workers reach
// pools and loads through the snapshot.
//
// A real server's id is given out again only when no session can refer to it any more. So no
// session counts for a real server that is not its own.
type registry struct {
	workers int
	most    int // upper bound of ids

	// changing is held by a change from begin to publish and guards the fields below. Readers do not
	// wait for it: they have the services' views and find.
	changing sync.Mutex
	// mu is held too while services, their real servers or live are written, for a moment each. So
	// these may be read under either lock.
	mu       sync.RWMutex
	services map[lvs.ServiceID]*liveService
	live     []*liveServer // by id

	vips     map[packet.Addr][]*liveService // configured services, by VIP of matches with one
	ranged   map[*liveService]bool          // those that have ranges
	leaving  map[*liveService]bool          // those that have given matches up
	left     map[lvs.Match]int              // number of services that have given a match up
	locals   map[packet.Addr]int            // number of services that use a local address
	retired  map[packet.Addr][]*liveService // whose sessions use an address that they had
	revision uint64                         // of the newest snapshot
	// sockets holds the sockets of real servers with local addresses, those that were removed
	// included.
	sockets map[lookupKey]*socket
	formers map[*liveService]bool // those whose former is set
	// rerouted: answers to local addresses may come in elsewhere since the revision reroutedAt.
	rerouted   bool
	reroutedAt uint64
	// strays are sessions of an earlier run at other workers than the owners of their clients' flows,
	// since the revision straysAt; nil if there are none.
	strays   *strays
	straysAt uint64
	// settledAt is the first revision without any session at a former owner; 0 while there is none.
	settledAt uint64
	// ends holds the number of real servers for each socket of clientEnds, and anyPort that of real
	// servers at every port.
	ends    map[lookupKey]int
	anyPort int
	// natHosts holds the number of real servers at each address of natHosts in the snapshot.
	natHosts     map[packet.Addr]int
	gone         []uint32 // ids of removed real servers
	free         []freeID
	incarnations uint32
	numbers      uint32    // of services, given out so far
	reuses       uint32    // how many ids were given out again
	looked       time.Time // when forget was last called
	kept         *keptRun  // is told of each real server that gets an id; nil if none are kept
	// was is what services and real servers had counted in the run before and have not got back;
	// nil if counters are not kept.
	was map[lvs.RealServerID]counts
}

// freeID is an id without real server.
type freeID struct {
	id      uint32
	counted Traffic // for the real servers that it had
}

// liveServer has a cache line to itself: every worker writes it for each new session.
type liveServer struct {
	load sched.Load
	id   lvs.RealServerID
	_    [64]byte

	number      uint32                   // the id by which workers know it
	incarnation uint32                   // differs between real servers with the same id; never 0
	use         atomic.Pointer[localUse] // nil if its service never had local addresses
	evidence    atomic.Pointer[evidence] // nil if it is not watched
	// before is what the id had counted for earlier real servers, less what this one had counted in
	// the run before. It is modulo 2^64: see countedBy.
	before Traffic
	// inherited is the latter. silences are the sessions of the run before that ended without an
	// answer to their SYN.
	inherited Traffic
	silences  uint64
	// gone is when it was removed or last seen with a session; zero while it is configured.
	gone      time.Time
	listed    bool // is in the registry's gone
	clientEnd bool // counted in the registry's ends
	of        *liveService
}

// liveService is the present state of a service. Workers read pool, and each writes its own element
// of seen; readers have view. The rest belongs to changes.
type liveService struct {
	id lvs.ServiceID
	// number is never that of another service that workers may know.
	number uint32
	pool   atomic.Pointer[sched.Pool]
	seen   []seenPool // by worker
	view   atomic.Pointer[serviceView]

	left       []leftMatch // claimed before; sessions may be left
	settings   Service     // with the weights in force; Name is empty while it is not configured
	configured bool
	timeouts   *conntrack.Timeouts       // of its own; nil if it has none
	servers    map[netip.AddrPort]uint32 // ids, including those of removed real servers
	forgotten  Traffic                   // counts of real servers that have no id any more
	inherited  Traffic                   // what the service had counted in the run before
	released   uint32                    // number of real servers whose counts are in forgotten
	// owner is the rule by which workers own the flows of its mode.
	owner     lvs.Owner
	former    bool          // sessions may exist that are owned by the other rule
	formerAt  uint64        // the first revision by the rule
	numbers   *localNumbers // of its local addresses; nil if it never had any
	_         [64]byte
	gate      gate // of its new sessions; written by workers, so that it has a cache line to itself
	_         [56]byte
	retiredAt uint64 // the first revision without the local addresses that were retired last
}

// announces reports whether the service wants its ranges of VIPs announced.
func (s *liveService) announces() bool { return !s.settings.Silent }

// announcesAt reports whether the service wants one of its VIPs announced.
func (s *liveService) announcesAt(vip packet.Addr) bool {
	return s.announces() && (len(s.settings.SilentAt) == 0 ||
		!slices.Contains(s.settings.SilentAt, vip.Netip()))
}

// seenPool is what one worker keeps about a service: the pool as it saw it in a burst, so that all
// packets of the burst see the same, and the number of its sessions. It has a cache line to itself.
type seenPool struct {
	pool     *sched.Pool
	burst    uint64
	sessions atomic.Int64 // of a service with a limit; written by the worker, anyone may read it
	_        [40]byte
}

// sessions returns how many sessions a service with a limit has in the whole director.
func (s *liveService) sessions() (n int) {
	for i := range s.seen {
		n += int(s.seen[i].sessions.Load())
	}
	return n
}

func newRegistry(workers int) *registry {
	return &registry{
		workers: workers, most: maxServers, services: map[lvs.ServiceID]*liveService{},
		vips: map[packet.Addr][]*liveService{}, ranged: map[*liveService]bool{},
		leaving: map[*liveService]bool{}, left: map[lvs.Match]int{},
		locals: map[packet.Addr]int{},
		ends:   map[lookupKey]int{}, retired: map[packet.Addr][]*liveService{},
		formers: map[*liveService]bool{}, sockets: map[lookupKey]*socket{},
	}
}

// service returns a service's live state, and creates it for a new service.
func (r *registry) service(id lvs.ServiceID) *liveService {
	s := r.services[id]
	if s == nil {
		r.numbers++
		s = &liveService{
			id: id, number: r.numbers, seen: make([]seenPool, r.workers),
			servers: map[netip.AddrPort]uint32{},
		}
		s.view.Store(&serviceView{})
		r.inheritAll(s)
		r.mu.Lock()
		r.services[id] = s
		r.mu.Unlock()
	}
	return s
}

// server returns the id of a service's real server, and assigns one to a new real server.
func (r *registry) server(s *liveService, address netip.AddrPort) uint32 {
	id, known := s.servers[address]
	if !known {
		r.mu.Lock()
		id = r.newID(s, address)
		r.inherit(r.live[id])
		s.servers[address] = id
		r.mu.Unlock()
		if r.kept != nil {
			r.kept.name(id, r.live[id].id)
		}
	}
	r.live[id].gone = time.Time{}
	return id
}

// numberUse gives a real server's counts by local address all numbers of its service.
func (r *registry) numberUse(server *liveServer, s *liveService) {
	use := server.use.Load()
	if s.numbers == nil || use != nil && use.numbers == s.numbers {
		return
	}
	if use != nil {
		server.use.Store(use.extended(s.numbers, r.workers))
		return
	}
	use = &localUse{socket: r.socket(endKey(server.id))}
	server.use.Store(use.extended(s.numbers, r.workers))
	use.socket.add(server)
}

// ErrManyServers reports that the ids for real servers do not suffice: workers reserve memory for
// that many.
var ErrManyServers = errors.New("engine: too many real servers")

// room returns ErrManyServers if the ids do not suffice for the new real servers of some services.
func (r *registry) room(services []Service) error {
	fresh := 0
	for i := range services {
		known := map[netip.AddrPort]uint32(nil)
		if s := r.services[services[i].ID()]; s != nil {
			known = s.servers
		}
		for j := range services[i].RealServers {
			if _, ok := known[services[i].RealServers[j].Address]; !ok {
				fresh++
			}
		}
	}
	if free := r.most - len(r.live) + len(r.free); fresh > free {
		return fmt.Errorf("%w: %d are new, and there is room for %d; %d is the most, with those removed "+
			"in the last hour and those that still have sessions", ErrManyServers, fresh, free, r.most)
	}
	return nil
}

func (r *registry) newID(of *liveService, address netip.AddrPort) uint32 {
	r.incarnations++
	n := &liveServer{
		id: lvs.RealServerID{Service: of.id, Address: address}, of: of,
		number: uint32(len(r.live)), incarnation: r.incarnations,
	}
	last := len(r.free) - 1
	if last < 0 {
		r.live = append(r.live, n)
		return n.number
	}
	r.reuses++
	n.number, n.before = r.free[last].id, r.free[last].counted
	r.free = r.free[:last]
	r.live[n.number] = n // new memory, which no worker writes to yet
	return n.number
}

// remove notes that a real server is no longer configured.
func (r *registry) remove(id uint32, now time.Time) {
	live := r.live[id]
	live.gone = now
	if !live.listed {
		live.listed = true
		r.gone = append(r.gone, id)
	}
}

// forgetAfter is how long a removed real server is remembered after forget last saw it with a
// session. Its counters go on if it comes back. The time is far longer than workers need to learn
// of the removal. From then on, they publish its counts before they end one of its sessions.
const (
	forgetAfter = time.Hour
	forgetEvery = time.Minute // between two calls of forget
)

// forget frees and returns the ids of real servers that have been gone for long and have no
// session. Without it, a director whose real servers come and go would grow for ever. counted
// returns what an id has counted.
func (r *registry) forget(now time.Time, counted func(id uint32) Traffic) (freed []*liveServer) {
	r.looked = now
	kept := r.gone[:0]
	for _, id := range r.gone {
		switch live := r.live[id]; {
		case live.gone.IsZero(): // it came back
			live.listed = false
		case live.load.Total() != 0:
			live.gone = now
			kept = append(kept, id)
		case now.Sub(live.gone) < forgetAfter:
			kept = append(kept, id)
		default:
			r.release(live, counted(id))
			freed = append(freed, live)
		}
	}
	r.gone = kept
	return freed
}

// release frees a real server's id. Its service keeps the counts.
func (r *registry) release(live *liveServer, counted Traffic) {
	s := r.services[live.id.Service]
	own := counted
	own.subtract(live.before)
	s.forgotten.add(own)
	s.released++
	r.free = append(r.free, freeID{live.number, counted})
	r.mu.Lock()
	delete(s.servers, live.id.Address)
	r.mu.Unlock()
	r.leaveSocket(live)
	r.dropUnused(s)
}

// dropUnused forgets a service that is not configured and has no remembered real server.
func (r *registry) dropUnused(s *liveService) {
	if !s.configured && len(s.servers) == 0 {
		r.mu.Lock()
		delete(r.services, s.id)
		r.mu.Unlock()
		delete(r.formers, s)
	}
}

// find returns the load of a configured or remembered real server, or nil. The load never becomes
// another's: the next real server of the id gets a load of its own.
func (r *registry) find(id lvs.RealServerID) *sched.Load {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.services[id.Service]
	if s == nil {
		return nil
	}
	server, known := s.servers[id.Address]
	if !known {
		return nil
	}
	return &r.live[server].load
}
