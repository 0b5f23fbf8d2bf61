package engine

import (
	"net/netip"
	"sync"

	"fulcrum/modes"
	"fulcrum/sched"
)

// registry gives services and real servers the live state that survives every change of the configuration: connection
// counts, and the scheduler's place in its round. It belongs to the control side; workers reach the state
// through the snapshot.
//
// A real server's id is never given out twice, so that a session can never count on a stranger.
type registry struct {
	mu       sync.Mutex
	services map[serviceKey]*sched.State
	servers  map[serverKey]uint32
	live     []*liveServer // by id
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
}

func newRegistry() *registry {
	return &registry{services: map[serviceKey]*sched.State{}, servers: map[serverKey]uint32{}}
}

func (r *registry) service(k serviceKey) *sched.State {
	if r.services[k] == nil {
		r.services[k] = new(sched.State)
	}
	return r.services[k]
}

func (r *registry) server(k serverKey) uint32 {
	id, ok := r.servers[k]
	if !ok {
		id = uint32(len(r.live))
		r.servers[k] = id
		r.live = append(r.live, &liveServer{key: k})
	}
	return id
}

// ids returns the ids that a service's real server has had, one for each mode.
func (r *registry) ids(service serviceKey, address netip.AddrPort) (ids []uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for m := range modes.NumModes {
		if id, ok := r.servers[serverKey{service, address, m}]; ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func (r *registry) loadOf(id uint32) *sched.Load {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &r.live[id].load
}
