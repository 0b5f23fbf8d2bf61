package ipvs

import (
	"net"
	"slices"
	"sync"
	"time"
)

// client is a connection to a server.
type client struct {
	*net.UnixConn
	since time.Time // when it was admitted
	known bool      // it has made a request; guarded by clients.mu, like busy
	busy  bool      // it waits for an answer
}

// leastStay is how long a client may stay before it has to have made a request, when others want
// its place.
const leastStay = 100 * time.Millisecond

// clients are the connections of a server, at most limit. A new one takes the place of the oldest
// that has never made a request; if all have, of the one whose last request was first. So programs
// that connect and say nothing take no place from others for long.
type clients struct {
	limit int

	mu     sync.Mutex
	all    []*client // by their last request, or else by their beginning
	closed bool
}

// admit gives a client a place at a time, and returns the one that loses it. It returns false if
// there is no place now: all others wait for answers, or have only just come.
func (c *clients) admit(n *client, now time.Time) (loser *client, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, false
	}
	if len(c.all) >= c.limit {
		i := c.dispensable(now)
		if i < 0 {
			return nil, false
		}
		loser = c.all[i]
		c.all = slices.Delete(c.all, i, i+1)
	}
	n.since = now
	c.all = append(c.all, n)
	return loser, true
}

// dispensable returns the index of the client that loses its place to another one, or -1. The
// caller holds mu.
func (c *clients) dispensable(now time.Time) int {
	if i := slices.IndexFunc(c.all, func(o *client) bool { return !o.known }); i >= 0 {
		if now.Sub(c.all[i].since) < leastStay {
			return -1
		}
		return i
	}
	return slices.IndexFunc(c.all, func(o *client) bool { return o.known && !o.busy })
}

// asks notes that a client has made a request, and answered that it has its answer.
func (c *clients) asks(o *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o.known, o.busy = true, true
	if i := slices.Index(c.all, o); i >= 0 {
		c.all = append(slices.Delete(c.all, i, i+1), o)
	}
}

func (c *clients) answered(o *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o.busy = false
}

// forget gives up a client's place.
func (c *clients) forget(o *client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = slices.DeleteFunc(c.all, func(p *client) bool { return p == o })
}

// close closes all connections, and admits no more.
func (c *clients) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, o := range c.all {
		_ = o.Close()
	}
}
