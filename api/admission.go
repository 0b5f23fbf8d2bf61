package api

import (
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// admission decides which connections a server keeps. A new connection is a stranger until its
// client has proven itself: by the token, or where there is none by a whole request. Strangers and
// known clients have places of their own, each bounded in all and for each source.
//
// A stranger never waits for others. If its places are taken, the oldest stranger gives way, of the
// source that has most. So those that connect and say nothing delay only each other.
type admission struct {
	net.Listener
	limits  Limits
	leaving atomic.Bool // Close leaves the socket to another process

	mu        sync.Mutex // guards the following fields
	strangers room
	known     room
}

// room has the connections of a class by source, the oldest first.
type room struct {
	guests map[string][]*guest
	count  int
}

func (r *room) add(g *guest) {
	r.guests[g.source] = append(r.guests[g.source], g)
	r.count++
}

func (r *room) remove(g *guest) {
	all := r.guests[g.source]
	i := slices.Index(all, g)
	if i < 0 {
		return
	}
	r.count--
	if r.guests[g.source] = slices.Delete(all, i, i+1); len(all) == 1 {
		delete(r.guests, g.source)
	}
}

// crowded returns the connections that have to give way to another one of a source, the oldest
// first: those of the source itself if it has its share, else those of the source that has most.
// It returns nil if there is a place.
func (r *room) crowded(source string, all, share int) []*guest {
	if own := r.guests[source]; len(own) >= share {
		return own
	}
	if r.count < all {
		return nil
	}
	var most []*guest
	for _, guests := range r.guests {
		if len(guests) > len(most) {
			most = guests
		}
	}
	return most
}

// guest is a connection of a server.
type guest struct {
	net.Conn
	admission *admission
	source    string

	idle bool // guarded by admission.mu: it has no request now
}

func newAdmission(l net.Listener, limits Limits) *admission {
	a := &admission{Listener: l, limits: limits}
	a.strangers.guests, a.known.guests = map[string][]*guest{}, map[string][]*guest{}
	return a
}

// Close stops listening.
func (a *admission) Close() error {
	if s, has := a.Listener.(*socket); has && a.leaving.Load() {
		return s.Leave()
	}
	return a.Listener.Close()
}

// awaitNone waits until no connection is left, but not longer than a time.
func (a *admission) awaitNone(most time.Duration) {
	for end := time.Now().Add(most); a.count() > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

func (a *admission) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.strangers.count + a.known.count
}

// Accept returns the next connection, and closes a stranger that gives way to it.
func (a *admission) Accept() (net.Conn, error) {
	conn, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &guest{Conn: conn, admission: a, source: sourceOf(conn)}
	if oldest := a.admit(g); oldest != nil {
		_ = oldest.Conn.Close()
	}
	return g, nil
}

// admit gives a new connection a place, and returns the stranger that lost it.
func (a *admission) admit(g *guest) (oldest *guest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.strangers.crowded(g.source, a.limits.Strangers, a.limits.StrangersOfSource); c != nil {
		oldest = c[0]
		a.strangers.remove(oldest)
	}
	a.strangers.add(g)
	return oldest
}

// errFull says that all places are taken by known clients that have requests.
var errFull = errors.New("the director has as many requests as it answers at a time, " +
	"of all clients or of yours: nothing was done; try again")

// prove makes a stranger known. If there is no place, it takes that of the oldest known connection
// without a request, and else returns errFull.
func (g *guest) prove() error {
	a := g.admission
	idle, err := a.proven(g)
	if idle != nil {
		_ = idle.Conn.Close()
	}
	return err
}

func (a *admission) proven(g *guest) (idle *guest, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if slices.Contains(a.known.guests[g.source], g) {
		return nil, nil
	}
	c := a.known.crowded(g.source, a.limits.Connections, a.limits.ConnectionsOfSource)
	if c != nil {
		i := slices.IndexFunc(c, func(g *guest) bool { return g.idle })
		if i < 0 {
			return nil, errFull
		}
		idle = c[i]
		a.known.remove(idle)
	}
	a.strangers.remove(g)
	a.known.add(g)
	return idle, nil
}

// setIdle notes whether a connection has a request.
func (g *guest) setIdle(idle bool) {
	g.admission.mu.Lock()
	defer g.admission.mu.Unlock()
	g.idle = idle
}

// Close closes the connection and gives up its place.
func (g *guest) Close() error {
	g.admission.mu.Lock()
	g.admission.strangers.remove(g)
	g.admission.known.remove(g)
	g.admission.mu.Unlock()
	return g.Conn.Close()
}
