package engine

import (
	"slices"
	"sync/atomic"
)

// socket is an address and port where real servers of several services may listen. Sessions towards
// it share the local ports. A change writes it, and anyone may read it.
type socket struct {
	servers atomic.Pointer[[]*liveServer] // those with local addresses; no list loses any
}

// socket returns the socket with a key, and creates it for its first real server.
func (r *registry) socket(key lookupKey) *socket {
	s := r.sockets[key]
	if s == nil {
		s = &socket{}
		s.servers.Store(&[]*liveServer{})
		r.sockets[key] = s
	}
	return s
}

// add adds a real server, which has its counts by local address already. It writes behind the end
// of the list that readers have.
func (s *socket) add(server *liveServer) {
	more := append(*s.servers.Load(), server)
	s.servers.Store(&more)
}

// leaveSocket takes a real server that is forgotten out of its socket.
func (r *registry) leaveSocket(live *liveServer) {
	use := live.use.Load()
	if use == nil {
		return
	}
	is := func(s *liveServer) bool { return s == live }
	left := slices.DeleteFunc(slices.Clone(*use.socket.servers.Load()), is)
	use.socket.servers.Store(&left)
	if len(left) == 0 {
		delete(r.sockets, endKey(live.id))
	}
}
