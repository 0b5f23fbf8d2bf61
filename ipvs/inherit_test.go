package ipvs

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"fulcrum/api"
)

// TestServerLeaves: the successor serves the same socket. The clients of the former server lose
// their connections, and those that connect meanwhile wait for the successor.
func TestServerLeaves(t *testing.T) {
	d := serve(t, plain)
	former := d.caller()
	d.answersTo(former)
	open, err := d.server.File()
	if err != nil {
		t.Fatal(err)
	}
	open.Fd() // as os/exec calls it
	if err := d.server.Leave(); err != nil {
		t.Fatal(err)
	}
	err = former.SetReadDeadline(time.Now().Add(20 * time.Second))
	if n, read := former.Read(make([]byte, 1)); err != nil || n > 0 || read != io.EOF {
		t.Errorf("%v, %v: want the end of the connection", err, read)
	}
	waiting := d.caller()
	listener, err := api.Listen(api.Socket{Path: d.socket, Packets: true, Open: open})
	if err != nil {
		t.Fatal(err)
	}
	c := d.server.config
	c.Listener = listener
	if d.server, err = Serve(c); err != nil { // the end of the test closes it
		t.Fatal(err)
	}
	d.answersTo(waiting)
	d.answersTo(d.caller())
}

// answersTo checks that a caller gets an answer.
func (d *served) answersTo(c *caller) {
	d.Helper()
	if all := c.ask(Family, acked, generic(uint8(GetInfo), nil)); len(all) != 2 {
		d.Errorf("%d answers, want one and the acknowledgement", len(all))
	}
}

// TestListenerWithoutFile: another listener cannot be passed on, and is closed by Leave.
func TestListenerWithoutFile(t *testing.T) {
	d := serve(t, plain)
	path := d.socket + ".other"
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	c := d.server.config
	c.Listener = struct{ net.Listener }{l}
	s, err := Serve(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.File(); err == nil || !strings.Contains(err.Error(), "cannot be passed on") {
		t.Error(err)
	}
	if err := s.Leave(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("it is not closed: %v", err)
	}
}
