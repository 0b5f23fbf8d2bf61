package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/sched"
)

// registry gives services and real servers the live state that survives every change of the
// configuration: connection counts, pools, and what was counted. It belongs to the control side;
// workers reach pools and loads through the snapshot.
//
// A real server's id is given out again only when no session can refer to it any more, so that none
// counts on a stranger.
type registry struct {
	workers int
	most    int // ids

	mu           sync.Mutex // guards all that follows
	services     map[lvs.ServiceID]*liveService
	vips         map[packet.Addr][]*liveService // configured ones, by VIP
	locals       map[packet.Addr]int            // local addresses, by how many services use them
	ends         map[lookupKey]int              // clientEnds, by how many real servers have them
	live         []*liveServer                  // by id
	gone         []uint32                       // ids of real servers that were removed
	free         []uint32                       // ids without a real server
	incarnations uint32
	reuses       uint32    // ids given out again
	looked       time.Time // when forget looked last
}

// liveServer has a cache line to itself: every worker writes it for each new session.
type liveServer struct {
	load sched.Load
	id   lvs.RealServerID
	_    [64]byte

	incarnation uint32    // tells those apart that had the same id; never 0
	before      Traffic   // what the id counted for others
	gone        time.Time // when it was removed, or had a session since; zero while configured
	listed      bool      // in the registry's list of those that are gone
	clientEnd   bool      // counted in the registry's ends
}

// liveService is a service as it is now. Workers read pool and write seen, each its own; all else is
// guarded by the registry.
type liveService struct {
	id   lvs.ServiceID
	pool atomic.Pointer[sched.Pool]
	seen []seenPool // by worker

	settings   Service // with the weights in force; no name while it is not configured
	configured bool
	servers    map[netip.AddrPort]uint32 // ids, also of those that were removed
	forgotten  Traffic                   // what real servers counted that have no id any more
	clientEnd  bool                      // has or had a mode whose flows belong to their clients' ends
}

// seenPool is a service's pool as a worker saw it in a burst, so that all packets of the burst see the
// same. It has a cache line to itself.
type seenPool struct {
	pool  *sched.Pool
	burst uint64
	_     [48]byte
}

func newRegistry(workers int) *registry {
	return &registry{
		workers: workers, most: maxServers, services: map[lvs.ServiceID]*liveService{},
		vips: map[packet.Addr][]*liveService{}, locals: map[packet.Addr]int{},
		ends: map[lookupKey]int{},
	}
}

// service returns a service's live state, and makes it if the service is new.
func (r *registry) service(id lvs.ServiceID) *liveService {
	s := r.services[id]
	if s == nil {
		s = &liveService{id: id, seen: make([]seenPool, r.workers), servers: map[netip.AddrPort]uint32{}}
		r.services[id] = s
	}
	return s
}

// server returns the id of a service's real server, and gives it one if it is new.
func (r *registry) server(s *liveService, address netip.AddrPort) uint32 {
	id, known := s.servers[address]
	if !known {
		id = r.newID(lvs.RealServerID{Service: s.id, Address: address})
		s.servers[address] = id
	}
	r.live[id].gone = time.Time{}
	return id
}

// ErrManyServers says that workers have no place for what they count of so many real servers.
var ErrManyServers = errors.New("engine: too many real servers")

// room reports whether there are ids for all real servers of some services that have none.
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

func (r *registry) newID(of lvs.RealServerID) uint32 {
	r.incarnations++
	n := &liveServer{id: of, incarnation: r.incarnations}
	last := len(r.free) - 1
	if last < 0 {
		r.live = append(r.live, n)
		return uint32(len(r.live) - 1)
	}
	r.reuses++
	id := r.free[last]
	r.free = r.free[:last]
	n.before = r.live[id].before
	r.live[id] = n // a new one: no worker writes to it yet
	return id
}

// remove notes that a real server is configured no more.
func (r *registry) remove(id uint32, now time.Time) {
	live := r.live[id]
	live.gone = now
	if !live.listed {
		live.listed = true
		r.gone = append(r.gone, id)
	}
}

// forgetAfter is how long a real server that was removed is remembered after its last session, as
// far as forget has seen one, so that it goes on counting if it comes back: far longer than workers
// take to know that it is gone, and to publish what it counted.
const (
	forgetAfter = time.Hour
	forgetEvery = time.Minute // between two looks at those that are gone
)

// forget frees the ids of real servers that have been gone for long and have no session, and returns
// them: a director whose real servers come and go must not grow for ever. counted tells what an id
// has counted.
func (r *registry) forget(now time.Time, counted func(id uint32) Traffic) (freed []*liveServer) {
	r.looked = now
	kept := r.gone[:0]
	for _, id := range r.gone {
		switch live := r.live[id]; {
		case live.gone.IsZero(): // it came back
			live.listed = false
		case live.load.Total() != 0:
			live.gone = now // workers have yet to publish what its last session counts
			kept = append(kept, id)
		case now.Sub(live.gone) < forgetAfter:
			kept = append(kept, id)
		default:
			r.free = append(r.free, id)
			r.release(live, counted(id))
			freed = append(freed, live)
		}
	}
	r.gone = kept
	return freed
}

// release gives up a real server's id. Its service keeps what it counted.
func (r *registry) release(live *liveServer, counted Traffic) {
	s := r.services[live.id.Service]
	own := counted
	own.subtract(live.before)
	s.forgotten.add(own)
	live.before = counted
	delete(s.servers, live.id.Address)
	r.dropUnused(s)
}

// dropUnused forgets a service that is neither configured nor remembered by a real server.
func (r *registry) dropUnused(s *liveService) {
	if !s.configured && len(s.servers) == 0 {
		delete(r.services, s.id)
	}
}

// find returns the load of a real server that is configured or remembered, or nil. It is never
// another's: a real server that gets the id later has a load of its own.
func (r *registry) find(id lvs.RealServerID) *sched.Load {
	r.mu.Lock()
	defer r.mu.Unlock()
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
