package hostway

import (
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

var ownMAC = [6]byte{2, 0, 0, 0, 0, 1}

func described(name string, addresses ...string) InterfaceConfig {
	c := InterfaceConfig{Name: name, MAC: ownMAC, MTU: 1400}
	for _, a := range addresses {
		c.Addresses = append(c.Addresses, netip.MustParsePrefix(a))
	}
	return c
}

// open opens an interface that the end of the test deletes.
func open(t *testing.T, c InterfaceConfig) *Interface {
	t.Helper()
	i, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, c.Name) })
	return i
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := netlink.LinkDel(link(t, name)); err != nil {
		t.Error(err)
	}
}

func link(t *testing.T, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// addresses returns the addresses of an interface, but not those that the kernel makes.
func addresses(t *testing.T, name string) (all []string) {
	t.Helper()
	list, err := netlink.AddrList(link(t, name), netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if a.IPNet.String()[:4] != "fe80" || a.IPNet.String() == "fe80::1/64" {
			all = append(all, a.IPNet.String())
		}
	}
	slices.Sort(all)
	return all
}

func has(t *testing.T, name string, want ...string) {
	t.Helper()
	if got := addresses(t, name); !slices.Equal(got, want) {
		t.Errorf("%s has %v, want %v", name, got, want)
	}
}

// shell runs a command as an operator would.
func shell(t *testing.T, line string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// An interface has what its port has.
func TestInterfaceIsAsItsPort(t *testing.T) {
	needRoot(t)
	i := open(t, described("ful-a", "10.0.0.1/24", "fd00::1/64", "fe80::1/64"))
	defer i.Close()
	a := link(t, "ful-a").Attrs()
	if a.HardwareAddr.String() != "02:00:00:00:00:01" || a.MTU != 1400 || !i.Up() {
		t.Errorf("%s, MTU %d, up %t", a.HardwareAddr, a.MTU, i.Up())
	}
	has(t, "ful-a", "10.0.0.1/24", "fd00::1/64", "fe80::1/64")
	list, err := netlink.AddrList(link(t, "ful-a"), netlink.FAMILY_V6)
	if err != nil || len(list) != 2 {
		t.Errorf("the kernel has made an address besides: %v, %v", list, err)
	}
}

// What others have set up stays with the interface when its process ends, and the next one takes
// all of it over. Only what is missing is added.
func TestInterfaceStays(t *testing.T) {
	needRoot(t)
	i := open(t, described("ful-a", "10.0.0.1/24", "fd00::1/64"))
	shell(t, "ip address add 10.7.7.7/32 dev ful-a && ip -6 address add fd07::7/128 dev ful-a nodad &&"+
		"ip route add 10.8.0.0/16 via 10.0.0.254 && ip -6 route add fd08::/64 via fd00::fe &&"+
		"ip address del 10.0.0.1/24 dev ful-a && ip address add 10.0.0.9/24 dev ful-a &&"+
		"ip route add 10.9.0.0/16 via 10.0.0.254")
	index := link(t, "ful-a").Attrs().Index
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	again := open1(t, described("ful-a", "10.0.0.1/24", "fd00::1/64"))
	defer again.Close()
	if now := link(t, "ful-a").Attrs().Index; now != index {
		t.Errorf("another interface: %d, was %d", now, index)
	}
	has(t, "ful-a", "10.0.0.1/24", "10.0.0.9/24", "10.7.7.7/32", "fd00::1/64", "fd07::7/128")
	routes, err := exec.Command("sh", "-c", "ip route; ip -6 route").Output()
	if err != nil || !strings.Contains(string(routes), "10.9.0.0/16 via 10.0.0.254 dev ful-a") ||
		!strings.Contains(string(routes), "fd08::/64 via fd00::fe dev ful-a") {
		t.Errorf("%v: the routes are gone:\n%s", err, routes)
	}
}

func open1(t *testing.T, c InterfaceConfig) *Interface {
	t.Helper()
	i, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// An interface that is no TAP, or that another process has open, is left alone.
func TestInterfaceIsRefused(t *testing.T) {
	needRoot(t)
	shell(t, "ip link add ful-v type veth peer name ful-w")
	defer remove(t, "ful-v")
	shell(t, "ip tuntap add dev ful-n mode tun")
	defer remove(t, "ful-n")
	shell(t, "ip tuntap add dev ful-m mode tap multi_queue")
	defer remove(t, "ful-m")
	held := open(t, described("ful-a"))
	defer held.Close()
	for name, want := range map[string]string{
		"ful-v": "an interface of that name exists and is no TAP, but of type veth",
		"ful-n": "an interface of that name exists and is no TAP",
		"ful-m": "delete it",
		"ful-a": "another process has it open",
	} {
		_, err := Open(described(name, "10.0.0.1/24"))
		if err == nil || !strings.Contains(err.Error(), "host interface "+name+": ") ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		has(t, name)
	}
}

// What the interface lacks in the middle of setting it up is an error, and its descriptor is
// closed.
func TestInterfaceThatCannotBeSetUp(t *testing.T) {
	needRoot(t)
	c := described("ful-a")
	c.MAC = [6]byte{1} // a group's
	if _, err := Open(c); err == nil || !strings.Contains(err.Error(), "the port's MAC 01:00") {
		t.Errorf("%v", err)
	}
	open(t, described("ful-a")).Close()
}

// A live change of the port's addresses touches those alone.
func TestSetAddresses(t *testing.T) {
	needRoot(t)
	i := open(t, described("ful-a", "10.0.0.1/24", "fd00::1/64"))
	defer i.Close()
	shell(t, "ip address add 10.7.7.7/32 dev ful-a")
	next := described("", "10.0.0.2/24", "fd00::1/64", "fd02::1/64").Addresses
	for range 2 { // the second time it has nothing to do
		if err := i.SetAddresses(next); err != nil {
			t.Fatal(err)
		}
		has(t, "ful-a", "10.0.0.2/24", "10.7.7.7/32", "fd00::1/64", "fd02::1/64")
	}
	shell(t, "ip address del 10.0.0.2/24 dev ful-a")
	if err := i.SetAddresses(nil); err != nil {
		t.Errorf("an address that an operator has removed: %v", err)
	}
	has(t, "ful-a", "10.7.7.7/32")
}

// A persistent interface that nobody reads any more is found by its port's MAC.
func TestAbandoned(t *testing.T) {
	needRoot(t)
	i := open(t, described("ful-a"))
	macs := [][6]byte{{2, 0, 0, 0, 0, 9}, ownMAC}
	if found := Abandoned(macs); found != nil {
		t.Errorf("found %v, which is read", found)
	}
	i.Close()
	if found := Abandoned(macs); !slices.Equal(found, []string{"ful-a"}) {
		t.Errorf("found %v", found)
	}
	if found := Abandoned(macs[:1]); found != nil {
		t.Errorf("found %v, which has another MAC", found)
	}
}

func TestAvailable(t *testing.T) {
	_, err := os.Stat(driver)
	if got := Available(); (got == nil) != (err == nil) {
		t.Errorf("%v, but %v", got, err)
	}
}

// TestReserve: the interface gets what checks need, once, and again if it is lost.
func TestReserve(t *testing.T) {
	needRoot(t)
	i := open(t, described("ful-reserve", "10.0.0.1/24"))
	for range 2 {
		for _, six := range []bool{false, true} {
			if err := i.Reserve(six); err != nil {
				t.Fatal(err)
			}
		}
		has(t, "ful-reserve", "10.0.0.1/24", "252.0.0.1/32", "fd66:756c:6372::1/128")
		for _, six := range []bool{false, true} {
			to := CheckTarget(CheckTargets-1, six)
			routes, err := netlink.RouteGetWithOptions(to.AsSlice(), &netlink.RouteGetOptions{Oif: "ful-reserve"})
			if err != nil || len(routes) != 1 || !routes[0].Src.Equal(CheckSource(six).AsSlice()) {
				t.Errorf("to %v: %v, %v", to, routes, err)
			}
		}
		shell(t, "ip -4 address del 252.0.0.1/32 dev ful-reserve && ip -6 address del fd66:756c:6372::1/128 dev ful-reserve")
	}
}

// TestTargets: the number of an address is that of which it was made, and others have none.
func TestTargets(t *testing.T) {
	for _, six := range []bool{false, true} {
		for _, n := range []int{0, 1, 255, 256, CheckTargets - 1} {
			a := CheckTarget(n, six)
			if got, ok := TargetNumber(a); got != n || !ok || !IsReserved(a) {
				t.Errorf("%v: %d, %v, want %d", a, got, ok, n)
			}
		}
		for _, a := range []netip.Addr{
			CheckSource(six), CheckTarget(0, six).Prev(), CheckTarget(CheckTargets-1, six).Next(), Reserved(six).Addr(),
		} {
			if n, ok := TargetNumber(a); ok {
				t.Errorf("%v: %d", a, n)
			}
		}
	}
	for _, text := range []string{"10.0.0.1", "fd66:756c:6372:1::1:0", "fd66:756c:6372::1:0:1:0", "::252.1.0.0"} {
		if n, ok := TargetNumber(netip.MustParseAddr(text)); ok {
			t.Errorf("%s: %d", text, n)
		}
	}
}
