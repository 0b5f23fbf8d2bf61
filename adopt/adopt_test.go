package adopt

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
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

// ip runs commands of ip(8) and returns what the last one prints.
func ip(t *testing.T, commands ...string) (out string) {
	t.Helper()
	for _, command := range commands {
		printed, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput()
		if err != nil {
			t.Fatalf("ip %s: %v\n%s", command, err, printed)
		}
		out = string(printed)
	}
	return out
}

// scene makes a veth pair, eth1, with everything that can be moved, and a TAP, ful-front.
func scene(t *testing.T) {
	t.Helper()
	tap := &netlink.Tuntap{
		LinkAttrs: netlink.LinkAttrs{Name: "ful-front"}, Mode: netlink.TUNTAP_MODE_TAP, Queues: 1,
	}
	if err := netlink.LinkAdd(tap); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, f := range tap.Fds {
			f.Close()
		}
	})
	ip(t, "link set lo up", "link add eth1 type veth peer name wire", "link add eth2 type veth peer name other",
		"link set dev wire addrgenmode none", "link set dev eth2 addrgenmode none",
		"link set dev other addrgenmode none", "link set other up",
		"link set wire up", "link set dev eth1 addrgenmode none", "link set eth1 up",
		"link set dev ful-front addrgenmode none", "link set ful-front up", "link set eth2 up",
		"address add 192.168.7.1/24 dev eth2",
		"address add 10.0.0.1/24 broadcast + dev eth1",
		"address add 10.0.0.2/24 broadcast + dev eth1 label eth1:two", // a secondary one
		"address add 10.0.0.3/24 dev eth1 valid_lft 3600 preferred_lft 1800",
		"address add 172.16.0.1/16 dev eth1 noprefixroute metric 50",
		"address add 198.51.100.7/32 dev eth1 scope link",
		"address add 10.9.0.1/24 dev eth1 metric 77",
		"address add fe80::1/64 dev eth1 nodad",
		"address add 2001:db8::1/64 dev eth1 nodad",
		"address add 2001:db8::2/64 dev eth1 nodad valid_lft 3600 preferred_lft 1800",
		"address add 2001:db8:7::1/64 dev eth1 nodad noprefixroute",
		"route add 172.16.0.0/16 dev eth1 scope link metric 50",
		"route add 203.0.113.1 dev eth1 scope link",
		"route add default via 203.0.113.1 dev eth1 metric 100 proto dhcp src 10.0.0.2 mtu 1400",
		"route add default via 10.0.0.254 metric 200",
		"route add 10.8.0.0/16 via 192.168.7.9 src 10.0.0.2",
		"route add 10.20.0.0/16 via 100.64.0.9 dev eth1 onlink",
		"route add 10.30.0.0/16 via 10.0.0.9 table 100",
		"-6 route add 2001:db8:7::/64 dev eth1 metric 30",
		"-6 route add default via fe80::fe dev eth1 proto ra metric 1024 expires 1800 pref high",
		"-6 route add 2001:db8:8::/48 via 2001:db8::fe",
		"neighbour add 10.0.0.254 lladdr 02:00:00:00:00:fe dev eth1",
		"neighbour add 2001:db8::fe lladdr 02:00:00:00:00:fe dev eth1",
	)
}

var (
	lifetimes = regexp.MustCompile(`(expires|valid_lft|preferred_lft) \d+sec`)
	numbers   = regexp.MustCompile(`(?m)^\d+: `)
)

// state returns all that the kernel has, without what passes with time.
func state(t *testing.T) string {
	t.Helper()
	text := ip(t, "address show") + ip(t, "route show table all") + ip(t, "-6 route show table all") +
		ip(t, "neighbour show nud permanent")
	text = strings.ReplaceAll(text, " nodad", "")
	var lines []string
	for line := range strings.Lines(numbers.ReplaceAllString(lifetimes.ReplaceAllString(text, "$1"), "")) {
		if !strings.Contains(line, "multicast ff00::/8") { // of the kernel, in any order
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}

// sorted is state with its lines in order: the kernel lists routes by when they came.
func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestAdoptAndRelease moves everything to the host interface and back. In between the host
// interface has all, with flags, lifetimes and metrics, and the interface below nothing.
func TestAdoptAndRelease(t *testing.T) {
	if !ownNamespace(t) {
		return
	}
	scene(t)
	before := state(t)
	move(t, "eth1", "ful-front")
	if left := ip(t, "address show dev eth1") + ip(t, "route show dev eth1 table all") +
		ip(t, "neighbour show dev eth1 nud permanent"); strings.Contains(left, "inet") ||
		strings.Contains(left, "via") || strings.Contains(left, "lladdr") {
		t.Errorf("eth1 still has\n%s", left)
	}
	there := sorted(strings.NewReplacer("eth1", "ful-front", "ful-front", "eth1").Replace(before))
	await(t, "moved", there)
	text := ip(t, "address show dev ful-front") + ip(t, "-6 route show dev ful-front")
	if n := len(regexp.MustCompile(`(35|36)\d\dsec|(17|18)\d\dsec`).FindAllString(text, -1)); n < 5 {
		t.Errorf("lifetimes are lost\n%s", text)
	}
	move(t, "ful-front", "eth1")
	await(t, "moved back", before)
	m, err := Plan("ful-front", "eth1")
	if err != nil || len(m.Steps) != 0 {
		t.Errorf("again: %v, %v", m, err)
	}
}

// onlyIP leaves out what state has of interfaces themselves.
func onlyIP(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.Contains(line, "link/") && !strings.Contains(line, "mtu 1500 q") &&
			!strings.Contains(line, "qdisc") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// await waits until the kernel has what is wanted: it uses an IPv6 address a little later than it
// is added.
func await(t *testing.T, step, want string) {
	t.Helper()
	want = onlyIP(sorted(want))
	got := ""
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if got = onlyIP(sorted(state(t))); got == want {
			return
		}
	}
	t.Fatalf("%s (-want +got)\n%s", step, cmp.Diff(want, got))
}

func move(t *testing.T, from, to string) {
	t.Helper()
	m, err := Plan(from, to)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Do(); err != nil {
		t.Fatal(err)
	}
}

// TestUndo fails each step in turn. Everything is then as it was before the first.
func TestUndo(t *testing.T) {
	if !ownNamespace(t) {
		return
	}
	scene(t)
	m, err := Plan("eth1", "ful-front")
	if err != nil {
		t.Fatal(err)
	}
	before := state(t)
	for fail := range m.Steps {
		made := 0
		err := do(m.Steps, func(a action) error {
			if made++; made == fail+1 {
				return errors.New("no")
			}
			return a.run()
		})
		if err == nil || err.Error() != m.Steps[fail].Text+": no" {
			t.Fatalf("step %d: %v", fail, err)
		}
		await(t, m.Steps[fail].Text, before)
	}
}

// TestPlanRefuses: what cannot be moved is said, and nothing is planned.
func TestPlanRefuses(t *testing.T) {
	if !ownNamespace(t) {
		return
	}
	scene(t)
	refused := func(from, to, want string) {
		t.Helper()
		if _, err := Plan(from, to); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s to %s: %v", from, to, err)
		}
	}
	refused("eth1", "nothing", "there is no interface nothing")
	ip(t, "link set ful-front down")
	refused("eth1", "ful-front", "interface ful-front is down: ip link set ful-front up")
	ip(t, "link set ful-front up",
		"route add 10.66.0.0/16 nexthop via 10.0.0.254 nexthop via 192.168.7.9")
	refused("eth1", "ful-front", "the route to 10.66.0.0/16 has several gateways, one of them by eth1")
	ip(t, "route del 10.66.0.0/16",
		"-6 route add 2001:db8:66::/48 nexthop via 2001:db8::fe nexthop via 2001:db8::fd")
	refused("eth1", "ful-front", "the route to 2001:db8:66::/48 has several gateways")
}

// TestAdvertisements: the host interface takes router advertisements in place of the one below.
func TestAdvertisements(t *testing.T) {
	if !ownNamespace(t) {
		return
	}
	scene(t)
	read := func(name string) string {
		value, err := os.ReadFile(acceptRA(name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(value))
	}
	for name, value := range map[string]string{"eth1": "2", "ful-front": "1"} {
		if err := os.WriteFile(acceptRA(name), []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	move(t, "eth1", "ful-front")
	if got := read("eth1") + read("ful-front"); got != "02" {
		t.Errorf("accept_ra of both: %s", got)
	}
	move(t, "ful-front", "eth1")
	if got := read("eth1") + read("ful-front"); got != "20" {
		t.Errorf("accept_ra of both: %s", got)
	}
}

// TestSessions finds the connections of this process and of those that started it.
func TestSessions(t *testing.T) {
	t.Setenv("SSH_CONNECTION", "192.0.2.1 50000 10.0.0.1 22")
	for _, network := range []struct{ name, listen string }{
		{"tcp4", "127.0.0.1:0"}, {"tcp6", "[::1]:0"},
	} {
		l, err := net.Listen(network.name, network.listen)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		conn, err := net.Dial(network.name, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	all := Sessions()
	for _, want := range []string{"10.0.0.1", "127.0.0.1", "::1"} {
		a := netip.MustParseAddr(want)
		if !slices.ContainsFunc(all, func(s Session) bool { return s.Local == a }) {
			t.Errorf("no session at %s: %v", want, all)
		}
	}
	m := &Move{Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}
	if s, cut := m.Cut(all); !cut || s.How != "SSH_CONNECTION" {
		t.Errorf("cut %v, %v", s, cut)
	}
	if _, cut := (&Move{}).Cut(all); cut {
		t.Error("nothing is moved, and a session cut")
	}
}

func TestParent(t *testing.T) {
	for line, want := range map[string]int{
		"7 (a) b (c)) S 42 7 7": 42, "7 (x) S": 0, "": 0, "7 (x) S y": 0,
	} {
		if got := parentIn(line); got != want {
			t.Errorf("%q: %d", line, got)
		}
	}
	if got := parent(os.Getpid()); got != os.Getppid() {
		t.Errorf("parent %d", got)
	}
}

// FuzzEntry: no message of the kernel breaks what reads entries.
func FuzzEntry(f *testing.F) {
	f.Add(byte(0), []byte{2, 24, 0, 0, 5, 0, 0, 0, 8, 0, 1, 0, 10, 0, 0, 7, 11, 0, 3, 0, 'e', ':', '1', 0})
	f.Add(byte(1), []byte{2, 16, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0, 8, 0, 1, 0, 10, 8, 0, 0,
		20, 0, 9, 0, 16, 0, 0, 0, 5, 0, 0, 0, 8, 0, 5, 0, 10, 0, 0, 9})
	f.Add(byte(2), []byte{2, 0, 0, 0, 5, 0, 0, 0, 128, 0, 0, 1, 8, 0, 1, 0, 10, 0, 0, 9})
	f.Fuzz(func(_ *testing.T, k byte, message []byte) {
		e, ok := newEntry(kind(k%3), message)
		if !ok {
			return
		}
		s := &site{}
		switch e.kind {
		case address:
			s.addresses = []entry{e}
		case route:
			s.routes = []entry{e}
		default:
			s.neighbours = []entry{e}
		}
		e.isStatic()
		_ = e.String()
		steps, _ := plan(Link{Index: 5, Name: "eth1"}, Link{Index: 6, Name: "ful-front"}, s)
		for _, step := range steps {
			step.do.entry.body()
		}
		connection(string(message))
		parentIn(string(message))
	})
}
