package hostway

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// passed returns what a child gets of an interface: a descriptor that was in use for exec.
func passed(t *testing.T, i *Interface) *os.File {
	t.Helper()
	f, err := i.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0) // os/exec calls Fd as well
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "passed on")
}

// carrierChanges is how often an interface has got or lost its carrier.
func carrierChanges(t *testing.T, name string) string {
	t.Helper()
	text, err := exec.Command("ip", "-j", "-s", "-s", "link", "show", "dev", name).Output()
	_, changes, found := strings.Cut(string(text), `"carrier_changes":`)
	if err != nil || !found {
		t.Fatalf("%v: %s", err, text)
	}
	return changes[:strings.IndexByte(changes, '}')]
}

// A TAP that was passed on keeps its carrier when the process before closes it, and the frames that
// wait in it. What it lacks is set up.
func TestInterfaceIsTakenOver(t *testing.T) {
	needRoot(t)
	c := described("ful-a", "10.0.1.1/24")
	former := open(t, c)
	defer hasCarrier(t, "ful-a")()
	permanent(t, "ful-a", "10.0.1.9")
	index, changes := link(t, "ful-a").Attrs().Index, carrierChanges(t, "ful-a")
	hostSays(t, "10.0.1.9:7", "first")

	c.Open, c.MTU = passed(t, former), 1300
	c.Addresses = append(c.Addresses, described("", "fd00::1/64").Addresses...)
	shell(t, "ip address add 10.7.7.7/32 dev ful-a")
	successor := open1(t, c)
	if a := link(t, "ful-a").Attrs(); a.Index != index || a.MTU != 1300 {
		t.Errorf("index %d, was %d; MTU %d", a.Index, index, a.MTU)
	}
	has(t, "ful-a", "10.0.1.1/24", "10.7.7.7/32", "fd00::1/64")
	if err := former.Close(); err != nil {
		t.Fatal(err)
	}
	hostSays(t, "10.0.1.9:7", "second")
	p, said := pumping(t, 1, successor)
	for _, want := range []string{"first", "second"} {
		if _, packet := hostDatagram(t, p, 7); payload(packet) != want {
			t.Errorf("%q, want %q", payload(packet), want)
		}
	}
	if now := carrierChanges(t, "ful-a"); now != changes || !successor.Up() || len(said.list()) > 0 {
		t.Errorf("the carrier changed %s times, before %s; %v", now, changes, said.list())
	}
}

// hasCarrier checks that the interface has its carrier until the returned function is called.
func hasCarrier(t *testing.T, name string) (end func()) {
	t.Helper()
	updates, done := make(chan netlink.LinkUpdate, 256), make(chan struct{})
	if err := netlink.LinkSubscribe(updates, done); err != nil {
		t.Fatal(err)
	}
	return func() {
		close(done)
		for u := range updates {
			if u.Attrs().Name == name && u.Header.Type == unix.RTM_NEWLINK &&
				u.Attrs().RawFlags&unix.IFF_LOWER_UP == 0 {
				t.Errorf("%s had no carrier", name)
			}
		}
	}
}

func hostSays(t *testing.T, to, what string) {
	t.Helper()
	conn, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(what)); err != nil {
		t.Fatal(err)
	}
}

func payload(p gopacket.Packet) string {
	return string(p.Layer(layers.LayerTypeUDP).LayerPayload())
}

// A pump that does not run takes no frames: those of a successor and of its predecessor exist at
// once, and the predecessor gets all, until it stops and the other one starts.
func TestPumpsTakeTurns(t *testing.T) {
	needRoot(t)
	c := described("ful-a", "10.0.1.1/24")
	former := open(t, c)
	c.Open = passed(t, former)
	first := newPump(t, former)
	first.Start()
	permanent(t, "ful-a", "10.0.1.9")
	second := newPump(t, open1(t, c))
	for range 100 {
		hostSays(t, "10.0.1.9:7", "to the first")
		if _, packet := hostDatagram(t, first, 7); payload(packet) != "to the first" {
			t.Errorf("%q", payload(packet))
		}
	}
	if err := first.Stop(); err != nil {
		t.Error(err)
	}
	if got := second.Counts(0).FromHost; got != 0 {
		t.Errorf("a pump that does not run has taken %d frames", got)
	}
	hostSays(t, "10.0.1.9:7", "between")
	second.Start()
	if _, packet := hostDatagram(t, second, 7); payload(packet) != "between" {
		t.Errorf("%q", payload(packet))
	}
	if err := second.Stop(); err != nil {
		t.Error(err)
	}
}

// A pump that never ran ends without taking a frame from the one that runs.
func TestPumpThatNeverRan(t *testing.T) {
	needRoot(t)
	c := described("ful-a", "10.0.1.1/24")
	former := open(t, c)
	c.Open = passed(t, former)
	first, _ := pumping(t, 1, former)
	permanent(t, "ful-a", "10.0.1.9")
	if err := newPump(t, open1(t, c)).Stop(); err != nil {
		t.Error(err)
	}
	hostSays(t, "10.0.1.9:7", "still")
	if _, packet := hostDatagram(t, first, 7); payload(packet) != "still" {
		t.Errorf("%q", payload(packet))
	}
}

func newPump(t *testing.T, i *Interface) *Pump {
	t.Helper()
	p, err := NewPump([]*Interface{i}, 1, func(n Notice) { t.Errorf("%+v", n) })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What is not the interface of that name is refused, and closed.
func TestTakeoverIsRefused(t *testing.T) {
	needRoot(t)
	other := open(t, described("ful-b"))
	defer other.Close()
	file, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]*os.File{
		"the interface passed on is another one: ful-b": passed(t, other),
		"asking what was passed on":                     file,
	} {
		c := described("ful-a")
		c.Open = f
		if _, err := Open(c); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.HasPrefix(err.Error(), "host interface ful-a: ") {
			t.Errorf("%v, want %q", err, want)
		}
		if err := f.Close(); err == nil {
			t.Error("the file is open still")
		}
	}
}
