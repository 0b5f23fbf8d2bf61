package director

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"fulcrum/api"
	"fulcrum/engine"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/ports/memory"
)

// logged is what a director has logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// lines returns the lines that contain a text.
func (l *logged) lines(with string) (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, with) {
			all = append(all, line)
		}
	}
	return all
}

// newLoggingBed is newBed with a log.
func newLoggingBed(t *testing.T) (*bed, *logged) {
	l := new(logged)
	b := newBed(t)
	b.Director.cfg.Log = slog.New(slog.NewTextHandler(l, nil))
	return b, l
}

// announced counts the announcements of the VIP among the frames that were sent.
func (b *bed) announced() (n int) {
	vip := packet.Addr4(netip.MustParseAddr("10.0.0.100"))
	for _, f := range b.devices.port.Collect(0) {
		a := packet.ARP(f[packet.EthernetLen:])
		if packet.Ethernet(f).Type() == packet.EtherTypeARP && a.SenderIP() == vip && a.TargetIP() == vip {
			n++
		}
	}
	return n
}

// TestLinkComesBack: addresses are announced again, as at the start, after the link was down.
func TestLinkComesBack(t *testing.T) {
	b, log := newLoggingBed(t)
	b.start()
	n := 0
	awaitAll := func(what string, want int) {
		t.Helper()
		b.eventually(what, func() bool { n += b.announced(); return n >= want })
	}
	awaitAll("the first announcements", 4)
	b.devices.port.SetLink(ports.Link{Up: false})
	b.eventually("the link down", func() bool { return len(log.lines("link down")) == 1 })
	b.devices.port.SetLink(ports.Link{Up: true})
	awaitAll("announcements after the link came back", 8)
	if n != 8 || len(log.lines("link up")) != 1 {
		t.Errorf("the VIP was announced in %d frames; the log says %q", n, log.lines("link"))
	}
}

// TestConflictIsLogged: once, with the address, the port and the other station; status has it too.
func TestConflictIsLogged(t *testing.T) {
	b, log := newLoggingBed(t)
	b.start()
	rogue := packet.MAC{2, 0, 0, 0, 9, 9}
	frame := make([]byte, packet.MinFrameLen)
	packet.Ethernet(frame).SetHeader(packet.Broadcast, rogue, packet.EtherTypeARP)
	vip := packet.Addr4(netip.MustParseAddr("10.0.0.100"))
	packet.ARP(frame[packet.EthernetLen:]).Encode(packet.ARPFields{
		Op: packet.ARPRequest, SenderMAC: rogue, SenderIP: vip, TargetIP: vip,
	})
	var s api.Status
	status := func() {
		s = api.Status{}
		if err := b.client.Do(t.Context(), http.MethodGet, "status", nil, &s); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if !b.devices.port.Receive(frame) {
			t.Fatal("no buffer for a frame")
		}
		b.eventually("the conflict in the status", func() bool {
			status()
			return len(s.Conflicts) == 1 && s.Conflicts[0].Claims == uint64(i+1)
		})
	}
	b.eventually("a log line", func() bool { return len(log.lines("address conflict")) > 0 })
	line := log.lines("address conflict")
	for _, want := range []string{"WARN", "address=10.0.0.100", "port=front", "mac=02:00:00:00:09:09"} {
		if len(line) != 1 || !strings.Contains(line[0], want) {
			t.Errorf("%q in %q", want, line)
		}
	}
	if c := s.Conflicts[0]; c.Address != "10.0.0.100" || c.Port != "front" ||
		c.MAC != "02:00:00:00:09:09" || c.Last.IsZero() {
		t.Errorf("the status has %+v", c)
	}
	if s.VIPs != 1 || s.PassiveVIPs != 0 || !s.Announce {
		t.Errorf("the status has %+v", s)
	}
	b.eventually("the metric", func() bool {
		return strings.Contains(b.page(), `fulcrum_port_address_conflicts_total{port="front"} 3`+"\n")
	})
}

// TestConflictsAreLoggedOnce: only new ones, and no more than ten lines at a time.
func TestConflictsAreLoggedOnce(t *testing.T) {
	l := new(logged)
	log := slog.New(slog.NewTextHandler(l, nil))
	var all []engine.Conflict
	for i := range 25 {
		all = append(all, engine.Conflict{Number: uint64(25 - i), Port: i % 2})
	}
	highest := logConflicts(log, all, 13, func(port int) string { return fmt.Sprint("port", port) })
	if n := len(l.lines("another station")); highest != 25 || n != 10 {
		t.Errorf("%d lines, up to conflict %d", n, highest)
	}
	if more := l.lines("conflicts=2"); len(more) != 1 {
		t.Errorf("of the others it says %q", more)
	}
	if highest = logConflicts(log, all, 25, nil); highest != 25 || len(l.lines("")) != 11 {
		t.Errorf("it says more: %q", l.lines(""))
	}
}

// TestLinks: the first look reports no change, whatever the links are; later ones report each
// change once.
func TestLinks(t *testing.T) {
	one, other := memory.NewPort(memory.Config{}), memory.NewPort(memory.Config{})
	all := []ports.Port{one, other}
	var l links
	one.SetLink(ports.Link{Up: false})
	for i, step := range []struct {
		do   func()
		want []linkChange
	}{
		{func() {}, nil},
		{func() {}, nil},
		{func() { one.SetLink(ports.Link{Up: true}) }, []linkChange{{0, true}}},
		{func() {}, nil},
		{func() { one.SetLink(ports.Link{Up: false}); other.SetLink(ports.Link{Up: false}) }, []linkChange{{0, false}, {1, false}}},
		{func() { other.SetLink(ports.Link{Up: true}) }, []linkChange{{1, true}}},
	} {
		step.do()
		if got := l.look(all); !slices.Equal(got, step.want) {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
}
