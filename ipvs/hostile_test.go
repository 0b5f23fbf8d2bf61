package ipvs

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
)

// TestBadClients connects 1,000 clients that say nothing, or nonsense, or take no answers. A good
// one is answered all the while, and so is one that was there before.
func TestBadClients(t *testing.T) {
	d := serveWith(t, plain+several, func(c *ServerConfig) { c.Write = time.Second })
	before := d.caller()
	before.ask(Family, acked, generic(uint8(GetInfo), nil))
	all := generic(uint8(GetService), nil)
	flood := appendMessage(nil, netlink.Header{Type: Family, Flags: dumped}, all)
	huge := make([]byte, 2*mostRequest)
	nonsense := [][]byte{
		nil, {1}, []byte("GET / HTTP/1.1\r\n\r\n"), huge, nil, {0}, make([]byte, headerLen),
		appendMessage(nil, netlink.Header{Type: Family}, nil),
		flood, append(flood[:len(flood):len(flood)], flood...), flood[:len(flood)-2],
	}
	const bad = 1000
	var group sync.WaitGroup
	conns := make([]*net.UnixConn, bad)
	for worker := range 10 {
		group.Go(func() {
			for i := worker; i < bad; i += 10 {
				conns[i] = d.dialBad(nonsense[i%len(nonsense)])
			}
		})
	}
	for range 50 {
		c := d.caller()
		if got := shape(c.ask(Family, dumped, all)); got[len(got)-4:] != "done" {
			t.Errorf("a good client gets %s", got)
		}
		c.Close()
	}
	group.Wait()
	if got := shape(before.ask(Family, acked, generic(uint8(GetInfo), nil))); got != "32 ack" {
		t.Errorf("an old client gets %s", got)
	}
	d.eventually("places for few", func() bool {
		d.clients().mu.Lock()
		defer d.clients().mu.Unlock()
		return len(d.clients().all) <= d.clients().limit
	})
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
	d.eventually("the end of all bad clients", func() bool {
		d.clients().mu.Lock()
		defer d.clients().mu.Unlock()
		return len(d.clients().all) <= 2
	})
}

// dialBad connects and sends some bytes over and over, and never reads. It returns nil if the
// server has closed the connection meanwhile.
func (d *served) dialBad(b []byte) *net.UnixConn {
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: d.socket, Net: "unixpacket"})
	if err != nil {
		if !errors.Is(err, syscall.EAGAIN) { // its queue of connections is full
			d.Error(err)
		}
		return nil
	}
	for range 20 {
		if len(b) == 0 {
			break
		}
		_ = c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := c.Write(b); err != nil {
			break
		}
	}
	return c
}

func (d *served) clients() *clients { return &d.server.clients }

// TestSilentClientsLeave closes the connection of a client that makes no request.
func TestSilentClientsLeave(t *testing.T) {
	d := serveWith(t, plain, func(c *ServerConfig) { c.First = time.Millisecond })
	c := d.caller()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("reading from a silent client's connection: %v", err)
	}
}

// TestPlacesOfClients gives places to clients: a stranger's goes first, unless it has only just
// come, and the one of a client that waits for its answer never does.
func TestPlacesOfClients(t *testing.T) {
	start := time.Now()
	c := clients{limit: 3}
	newClient := func() *client { return &client{UnixConn: &net.UnixConn{}} }
	first, second, third := newClient(), newClient(), newClient()
	for _, n := range []*client{first, second, third} {
		if loser, ok := c.admit(n, start); loser != nil || !ok {
			t.Fatal("no place in an empty room")
		}
	}
	c.asks(first)
	all := func(known, busy bool) func() {
		return func() {
			for _, o := range c.all {
				o.known, o.busy = known, busy
			}
		}
	}
	heir := newClient()
	for i, tt := range []struct {
		before func()
		after  time.Duration
		next   *client
		loser  *client
		ok     bool
	}{
		{func() {}, 0, newClient(), nil, false}, // they have only just come
		{func() {}, leastStay, newClient(), second, true},
		{func() {}, leastStay, heir, third, true},
		{all(true, true), time.Hour, newClient(), nil, false},
		{func() { c.answered(first) }, time.Hour, newClient(), first, true},
		{func() {
			all(true, false)()
			c.asks(c.all[0])
			c.answered(c.all[2])
		}, time.Hour, newClient(), heir, true},
		{func() { c.close() }, time.Hour, newClient(), nil, false},
	} {
		tt.before()
		if loser, ok := c.admit(tt.next, start.Add(tt.after)); loser != tt.loser || ok != tt.ok {
			t.Errorf("case %d: %p loses its place, %v; want %p, %v", i, loser, ok, tt.loser, tt.ok)
		}
	}
}

// TestServerEnds closes a server while clients wait: they see the end, and the socket is gone.
func TestServerEnds(t *testing.T) {
	d := serve(t, plain)
	c := d.caller()
	c.ask(Family, acked, generic(uint8(GetInfo), nil))
	if err := d.server.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("reading after the end: %v", err)
	}
	if _, err := os.Lstat(d.socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

// TestServerNeedsItsParts wants every required field.
func TestServerNeedsItsParts(t *testing.T) {
	if _, err := Serve(ServerConfig{}); err == nil {
		t.Error("a server without anything starts")
	}
}
