package ipvs

import (
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// caller is a client that speaks netlink by itself.
type caller struct {
	*testing.T
	*net.UnixConn
	sequence  uint32
	datagrams int // how many the last answer had
}

func (d *served) caller() *caller {
	d.Helper()
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: d.socket, Net: "unixpacket"})
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { conn.Close() })
	return &caller{T: d.T, UnixConn: conn}
}

// callerPID is the port that the caller says to have.
const callerPID = 4711

// flagged are the flags of requests.
const (
	acked  = netlink.Request | netlink.Acknowledge
	dumped = netlink.Request | netlink.Acknowledge | netlink.Dump
)

// ask sends a message and returns the answers up to the acknowledgement or the end of a dump.
func (c *caller) ask(kind uint16, flags netlink.HeaderFlags, data []byte) (all []netlink.Message) {
	c.Helper()
	c.sequence++
	h := netlink.Header{
		Type: netlink.HeaderType(kind), Flags: flags, Sequence: c.sequence, PID: callerPID,
	}
	if _, err := c.Write(appendMessage(nil, h, data)); err != nil {
		c.Fatal(err)
	}
	return c.answers()
}

func (c *caller) answers() (all []netlink.Message) {
	c.Helper()
	buffer := make([]byte, 1<<16)
	c.datagrams = 0
	for {
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			c.Fatal(err)
		}
		n, err := c.Read(buffer)
		if err != nil {
			c.Fatal(err)
		}
		if c.datagrams++; n > mostDatagram {
			c.Errorf("a datagram has %d bytes", n)
		}
		for _, m := range split(append([]byte(nil), buffer[:n]...)) {
			if m.Header.Sequence != c.sequence || m.Header.PID != callerPID {
				c.Errorf("an answer has sequence %d and port %d", m.Header.Sequence, m.Header.PID)
			}
			all = append(all, m)
			if m.Header.Type == netlink.Error || m.Header.Type == netlink.Done {
				return all
			}
		}
	}
}

// command sends a command of the family IPVS and returns the errno of its end.
func (c *caller) command(k Command, attributes encoder) unix.Errno {
	c.Helper()
	return errnoIn(c.ask(Family, acked, generic(uint8(k), attributes.bytes())))
}

// errnoIn returns the errno of the last of some answers.
func errnoIn(all []netlink.Message) unix.Errno {
	last := all[len(all)-1]
	return unix.Errno(-int32(binary.NativeEndian.Uint32(last.Data)))
}

// of returns the attributes of a request about a service, and perhaps a destination.
func of(s *Service, d *Destination) encoder {
	e := newEncoder()
	if s != nil {
		e.nested(attrService, s.encode())
	}
	if d != nil {
		e.nested(attrDest, d.encode())
	}
	return e
}

// TestAnswersAreTheKernels checks which messages come for a request, and how they are made.
func TestAnswersAreTheKernels(t *testing.T) {
	d := serve(t, plain+dns)
	c := d.caller()
	s := &Service{
		Family: unix.AF_INET, Protocol: unix.IPPROTO_UDP, Address: dnsVIP, Port: 53, Mask: 32,
		Scheduler: "rr",
	}
	for _, tt := range []struct {
		name  string
		kind  uint16
		flags netlink.HeaderFlags
		data  []byte
		want  string // types and errnos
	}{
		{"a service", Family, acked, generic(uint8(GetService), of(s, nil).bytes()), "32 ack"},
		{"the configuration", Family, acked, generic(uint8(GetConfig), nil), "32 ack"},
		{"the version", Family, acked, generic(uint8(GetInfo), nil), "32 ack"},
		{"services", Family, dumped, generic(uint8(GetService), nil), "32 done"},
		{"destinations", Family, dumped, generic(uint8(GetDest), of(s, nil).bytes()), "32 32 done"},
		{"those of no service", Family, dumped, generic(uint8(GetDest), nil), "done"},
		{"daemons", Family, dumped, generic(uint8(GetDaemon), nil), "done"},
		{"destinations, but not all", Family, acked, generic(uint8(GetDest), of(s, nil).bytes()),
			"operation not supported"},
		{"a daemon", Family, acked, generic(uint8(GetDaemon), nil), "operation not supported"},
		{"all configurations", Family, dumped, generic(uint8(GetConfig), nil),
			"operation not supported"},
		{"no command", Family, acked, generic(99, nil), "operation not supported"},
		{"no data", Family, acked, nil, "invalid argument"},
		{"no family", 0x99, acked, generic(1, nil), "no such file or directory"},
		{"netlink's own type", 1, acked, nil, "ack"},
		{"the family", ctrlFamily, acked, append([]byte{ctrlGet, 1, 0, 0}, named(FamilyName)...),
			"16 ack"},
		{"another family", ctrlFamily, acked, append([]byte{ctrlGet, 1, 0, 0}, named("TASKSTATS")...),
			"no such file or directory"},
		{"sessions", SessionFamily, dumped, generic(sessionsDump, nil), "33 done"},
		{"no command about sessions", SessionFamily, dumped, generic(9, nil),
			"operation not supported"},
	} {
		if tt.name == "sessions" {
			d.turn()
		}
		if got := shape(c.ask(tt.kind, tt.flags, tt.data)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func named(family string) []byte {
	e := newEncoder()
	e.String(ctrlName, family)
	return e.bytes()
}

// shape returns the types of messages: of errors their text, and "ack" for a good end.
func shape(all []netlink.Message) string {
	var texts []string
	for _, m := range all {
		text := fmt.Sprint(uint16(m.Header.Type))
		switch errno := errnoIn([]netlink.Message{m}); {
		case m.Header.Type == netlink.Done:
			text = "done"
		case m.Header.Type != netlink.Error:
		case errno == 0:
			text = "ack"
		default:
			text = errno.Error()
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}
