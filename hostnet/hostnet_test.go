package hostnet

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"fulcrum/config"
)

// inside in the environment says that a test runs in a network namespace of its own.
const inside = "FULCRUM_TEST_NAMESPACE"

// ownNamespace runs the calling test in a network namespace of its own, in a process of its own. It
// returns false in the process that waits for that.
func ownNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") == "true":
		t.Fatal("CI has to run this test as root")
	default:
		t.Skip("network namespaces need root")
	}
	c := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), inside+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// ip runs commands of ip(8).
func ip(t *testing.T, commands ...string) {
	t.Helper()
	for _, command := range commands {
		if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", command, err, out)
		}
	}
}

// show returns what an interface has in one line.
func show(h *config.HostInterface) string {
	var all []string
	for _, a := range h.Addresses {
		if !a.Addr().IsLinkLocalUnicast() { // depends on the MAC
			all = append(all, a.String())
		}
	}
	for _, r := range h.Routes {
		all = append(all, r.String())
	}
	for _, n := range h.Neighbours {
		all = append(all, fmt.Sprintf("%s at %s", n.Address, n.MAC))
	}
	for _, p := range h.OnLink {
		all = append(all, "on link "+p.String())
	}
	if h.ECMP > 0 {
		all = append(all, fmt.Sprintf("%d ecmp", h.ECMP))
	}
	if !h.Exists {
		all = append(all, "missing")
	}
	return strings.Join(all, ", ")
}

// TestWatch follows real interfaces: each change is told, and what is read is what the kernel has.
func TestWatch(t *testing.T) {
	if !ownNamespace(t) {
		return
	}
	w, err := Watch([]string{"", "ful-front"}, []string{"other", ""})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ip(t, "link set lo up", "link add other type veth peer name far", "link set other up", "link set far up",
		"address add 10.7.0.1/24 dev other")
	for _, step := range []struct{ commands, want string }{
		{"", "missing"},
		{"link add ful-front type veth peer name wire; link set wire up; link set ful-front up", ""},
		{"address add 10.0.0.7/24 dev ful-front", "10.0.0.7/24"},
		{"address add 2001:db8::7/64 dev ful-front nodad", "10.0.0.7/24, 2001:db8::7/64"},
		{"address add 2001:db8:1::9/128 dev ful-front nodad; -6 route add 2001:db8:1::/64 dev ful-front",
			"10.0.0.7/24, 2001:db8:1::9/64, 2001:db8::7/64"},
		{"address del 2001:db8:1::9/128 dev ful-front; -6 route del 2001:db8:1::/64 dev ful-front",
			"10.0.0.7/24, 2001:db8::7/64"},
		{"route add default via 10.0.0.254; route add 10.8.0.0/16 via 10.0.0.9 metric 20",
			"10.0.0.7/24, 2001:db8::7/64, 0.0.0.0/0 via 10.0.0.254, 10.8.0.0/16 via 10.0.0.9"},
		{"route add 10.8.0.0/16 via 10.0.0.10 metric 10; -6 route add default via fe80::fe dev ful-front",
			"10.0.0.7/24, 2001:db8::7/64, 0.0.0.0/0 via 10.0.0.254, 10.8.0.0/16 via 10.0.0.10, " +
				"::/0 via fe80::fe"},
		{"route replace default via 10.7.0.254 dev other; route del 10.8.0.0/16; -6 route del default",
			"10.0.0.7/24, 2001:db8::7/64, 10.8.0.0/16 via 10.0.0.9"},
		{"neighbour add 10.0.0.9 lladdr 02:00:00:00:00:09 dev ful-front",
			"10.0.0.7/24, 2001:db8::7/64, 10.8.0.0/16 via 10.0.0.9, 10.0.0.9 at 02:00:00:00:00:09"},
		{"neighbour replace 10.0.0.9 lladdr 02:00:00:00:00:08 nud reachable dev ful-front",
			"10.0.0.7/24, 2001:db8::7/64, 10.8.0.0/16 via 10.0.0.9"},
		{"route add 10.9.0.0/16 nexthop via 10.0.0.21 nexthop via 10.0.0.22; route add 10.6.0.0/24 dev ful-front",
			"10.0.0.7/24, 2001:db8::7/64, 10.8.0.0/16 via 10.0.0.9, 10.9.0.0/16 via 10.0.0.21, " +
				"on link 10.6.0.0/24, 1 ecmp"},
		{"address del 10.0.0.7/24 dev ful-front", "2001:db8::7/64"}, // its routes go without a word
		{"link set ful-front down", ""},
		{"link del ful-front", "missing"},
		{"link add ful-front type veth peer name wire; link set ful-front up; link set wire up; " +
			"address add 10.0.0.7/24 dev ful-front", "10.0.0.7/24"},
	} {
		for command := range strings.SplitSeq(step.commands, "; ") {
			if command != "" {
				ip(t, command)
			}
		}
		w.await(t, step.commands, step.want)
	}
	ip(t, "route add 10.5.0.0/16 via 10.7.0.9", "neighbour add 10.7.0.9 lladdr 02:00:00:00:00:01 dev other")
	for {
		e, err := w.Next(50 * time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if e == 0 {
			break // nothing of the other interface
		}
	}
}

// await takes in events until an interface has what is wanted.
func (w *Watcher) await(t *testing.T, step, want string) {
	t.Helper()
	got, end, read := "", time.Now().Add(10*time.Second), step == ""
	for time.Now().Before(end) {
		if read {
			all, err := w.Read()
			if err != nil {
				t.Fatal(err)
			}
			held, below, err := w.Held()
			if err != nil || len(below[0]) == 0 || len(below[1]) != 0 || len(held) != 2 || len(held[1]) != len(all[1].Addresses) {
				t.Fatalf("held %v, %v; has %v", held, err, all[1].Addresses)
			}
			if got = show(&all[1]); got == want {
				return
			}
		}
		e, err := w.Next(100 * time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		read = e != 0
	}
	t.Fatalf("%s: has\n%q, want\n%q", step, got, want)
}

// TestOverrun: messages that the kernel drops are no reason to miss a change.
func TestOverrun(t *testing.T) {
	if !ownNamespace(t) {
		return
	}
	w, err := Watch([]string{"ful-front"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.sock.SetReceiveBufferSize(1, false); err != nil { // the kernel's least
		t.Fatal(err)
	}
	ip(t, "link add ful-front type veth peer name wire", "link set ful-front up", "link set wire up")
	for i := range 100 {
		ip(t, fmt.Sprintf("address add 10.0.%d.1/24 dev ful-front", i))
	}
	all := 0
	for {
		e, err := w.Next(50 * time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if e == 0 {
			break
		}
		all++
	}
	found, err := w.Read()
	if err != nil || len(found[0].Addresses) < 100 || all == 0 {
		t.Fatalf("%d events, %d addresses, %v", all, len(found[0].Addresses), err)
	}
}

// TestClose: a watcher that is closed while it waits says so.
func TestClose(t *testing.T) {
	w, err := Watch(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error)
	go func() {
		for {
			if _, err := w.Next(0); err != nil {
				closed <- err
				return
			}
		}
	}()
	w.Close()
	if err := <-closed; err != net.ErrClosed {
		t.Error(err)
	}
}

// TestLimits: what exceeds a limit is counted.
func TestLimits(t *testing.T) {
	l := &links{names: []string{"ful-front"}, indices: []int{5}}
	var f facts
	for i := range mostAddresses + 3 {
		a := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		f.addresses = append(f.addresses, address{5, netip.PrefixFrom(a, 32), true})
		f.stations = append(f.stations, station{link: 5, address: a})
	}
	f.addresses = append(f.addresses, address{5, netip.MustParsePrefix("fe80::1/64"), false}, address{6,
		netip.MustParsePrefix("10.9.0.1/24"), true})
	all := f.of(l)
	got := []int{len(all[0].Addresses), len(all[0].Neighbours), all[0].Excess}
	if want := []int{mostAddresses, mostNeighbours, 6}; !cmp.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if held := f.held(l); len(held[0]) != mostAddresses+3 {
		t.Errorf("%d held", len(held[0]))
	}
}

// TestPace: addresses are looked at at once, the rest after a burst, and rests grow with the
// effort.
func TestPace(t *testing.T) {
	var p Pace
	begin := time.Unix(1000, 0)
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	next := func(want int) {
		t.Helper()
		got, ok := p.Next()
		if want < 0 && ok || want >= 0 && (!ok || !got.Equal(at(want))) {
			t.Fatalf("next at %v, %v; want %d ms", got.Sub(begin), ok, want)
		}
	}
	due := func(ms int, want Event) {
		t.Helper()
		if got := p.Due(at(ms)); got != want {
			t.Fatalf("after %d ms: due %v, want %v", ms, got, want)
		}
	}
	next(-1)
	due(0, 0)
	p.Note(0, at(0))
	next(-1)
	p.Note(Others, at(0))
	p.Note(Others, at(60)) // of the same burst
	next(100)
	p.Note(Everything, at(70))
	next(70)
	due(70, Addresses)
	p.Done(Addresses, at(71), time.Millisecond)
	next(100)
	p.Note(Everything, at(72))
	next(76)
	due(75, 0)
	due(100, Everything)
	p.Done(Everything, at(150), 50*time.Millisecond)
	next(-1)
	p.Note(Others, at(160))
	next(350) // four times what the last look took
	p.Done(Everything, at(351), 0)
	p.Again(at(351), time.Second)
	next(1351)
}

// FuzzMessages: no message breaks the decoders, and what they return is well formed.
func FuzzMessages(f *testing.F) {
	f.Add(uint16(unix.RTM_NEWADDR), []byte{2, 24, 0, 0, 5, 0, 0, 0, 8, 0, 1, 0, 10, 0, 0, 7})
	f.Add(uint16(unix.RTM_NEWROUTE), []byte{2, 16, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0, 8, 0, 1, 0, 10, 8, 0, 0,
		20, 0, 9, 0, 16, 0, 0, 0, 5, 0, 0, 0, 8, 0, 5, 0, 10, 0, 0, 9})
	f.Add(uint16(unix.RTM_NEWNEIGH), []byte{2, 0, 0, 0, 5, 0, 0, 0, 128, 0, 0, 1, 8, 0, 1, 0, 10, 0, 0, 9})
	f.Add(uint16(unix.RTM_NEWLINK), append(make([]byte, 16), 9, 0, 3, 0, 'f', 'u', 'l', 0, 0))
	l := &links{names: []string{"ful"}, indices: []int{5}, routed: true, stationed: true}
	f.Fuzz(func(t *testing.T, kind uint16, m []byte) {
		message := &syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: kind}, Data: m}
		eventOf(message, l)
		var all facts
		if a, ok := decodeAddress(m); ok {
			all.addresses = append(all.addresses, a)
		}
		if r, ok := decodeRoute(m); ok && l.leads(&r) {
			all.routes = append(all.routes, r)
		}
		if s, ok := decodeStation(m); ok {
			all.stations = append(all.stations, s)
		}
		for _, h := range all.of(l) {
			for _, p := range h.Addresses {
				if !p.IsValid() {
					t.Errorf("address %v", p)
				}
			}
			for _, r := range h.Routes {
				if !r.To.IsValid() || !r.Via.IsValid() {
					t.Errorf("route %v", r)
				}
			}
		}
	})
}
