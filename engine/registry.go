package engine

import (
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"fulcrum/modes"
	"fulcrum/sched"
)

// registry gives services and real servers the live state that survives every change of the configuration: connection
// counts, and the scheduler's place in its round. It belongs to the control side; workers reach the state
// through the snapshot.
//
// A real server's id is given out again only when no session can refer to it any more, so that none counts on a stranger.
type registry struct {
	mu       sync.Mutex
	services map[serviceKey]*liveService
	servers  map[serverKey]uint32
	live     []*liveServer // by id
	free     []uint32      // ids without a real server
}

type serviceKey struct {
	protocol uint8
	address  netip.AddrPort
}

// serverKey is what makes a real server the same one as before. The mode is part of it, because a session's
// return flow depends on it.
type serverKey struct {
	service serviceKey
	address netip.AddrPort
	mode    modes.Mode
}

// liveServer has a cache line to itself: every worker writes it for each new session.
type liveServer struct {
	load sched.Load
	key  serverKey
	_    [64]byte

	before Traffic   // what the id counted for others
	gone   time.Time // when it was removed; zero while it is configured
	freed  bool      // nobody has the id
}

type liveService struct {
	pool      atomic.Pointer[sched.Pool] // the one published last
	forgotten Traffic                    // what real servers have counted that are forgotten
}

func newRegistry() *registry {
	return &registry{services: map[serviceKey]*liveService{}, servers: map[serverKey]uint32{}}
}

func (r *registry) service(k serviceKey) *liveService {
	if r.services[k] == nil {
		r.services[k] = new(liveService)
	}
	return r.services[k]
}

func (r *registry) server(k serverKey) uint32 {
	id, ok := r.servers[k]
	if !ok {
		id = r.newID(k)
		r.servers[k] = id
	}
	return id
}

func (r *registry) newID(k serverKey) uint32 {
	if last := len(r.free) - 1; last >= 0 {
		id := r.free[last]
		r.free = r.free[:last]
		r.live[id] = &liveServer{key: k, before: r.live[id].before} // a new one: nobody writes to it yet
		return id
	}
	r.live = append(r.live, &liveServer{key: k})
	return uint32(len(r.live) - 1)
}

// forgetAfter is how long a real server that was removed is remembered, so that it goes on counting if it comes back: far longer than
// workers take to know that it is gone, and to publish what it counted.
const forgetAfter = time.Hour

// forget frees the ids of real servers that have been gone for long and have no session: a director whose real servers come and go must not
// grow for ever. Traffic is what all ids have counted.
func (r *registry) forget(now time.Time, traffic []Traffic) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, live := range r.live {
		if live.freed || live.gone.IsZero() || now.Sub(live.gone) < forgetAfter || live.load.Total() != 0 {
			continue
		}
		counted := traffic[id]
		counted.subtract(live.before)
		r.service(live.key.service).forgotten.add(counted)
		live.before, live.freed = traffic[id], true
		delete(r.servers, live.key)
		r.free = append(r.free, uint32(id))
	}
}

// keep notes which real servers and services are configured.
func (r *registry) keep(now time.Time, servers map[uint32]bool, services map[serviceKey]int) {
	remembered := map[serviceKey]bool{}
	for id, live := range r.live {
		switch {
		case servers[uint32(id)]:
			live.gone = time.Time{}
		case live.gone.IsZero():
			live.gone = now
		}
		remembered[live.key.service] = remembered[live.key.service] || !live.freed
	}
	maps.DeleteFunc(r.services, func(k serviceKey, _ *liveService) bool {
		_, configured := services[k]
		return !configured && !remembered[k]
	})
}

// loads returns the loads that a service's real server has had, one for each mode. Whoever keeps them sees no stranger in them: another real
// server that gets the id later has a load of its own.
func (r *registry) loads(service serviceKey, address netip.AddrPort) (loads []*sched.Load) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for m := range modes.NumModes {
		if id, ok := r.servers[serverKey{service, address, m}]; ok {
			loads = append(loads, &r.live[id].load)
		}
	}
	return loads
}
