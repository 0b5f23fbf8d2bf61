package guard

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// cable moves the test's thread into a namespace with a veth pair, for good.
func cable(t *testing.T) (near, far netlink.Link) {
	t.Helper()
	needBPF(t)
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	pair := netlink.NewVeth(netlink.LinkAttrs{Name: "near", TxQLen: 1000})
	pair.PeerName = "far"
	if err := netlink.LinkAdd(pair); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"near", "far"} {
		l, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetUp(l)
		}
		if err != nil {
			t.Fatal(err)
		}
		near, far = far, l
	}
	return near, far
}

// send sends a frame from a link.
func send(t *testing.T, from netlink.Link, frame []byte) {
	t.Helper()
	s, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(s)
	to := &unix.SockaddrLinklayer{Ifindex: from.Attrs().Index}
	if err := unix.Sendto(s, frame, 0, to); err != nil {
		t.Fatal(err)
	}
}

// programs counts what is attached at the ingress hook of a link.
func programs(t *testing.T, at netlink.Link) (n int) {
	t.Helper()
	r, err := link.QueryPrograms(link.QueryOptions{
		Target: at.Attrs().Index, Attach: ebpf.AttachTCXIngress,
	})
	if err == nil {
		n = len(r.Programs)
	}
	all, err := netlink.FilterList(at, netlink.HANDLE_MIN_INGRESS)
	if err != nil {
		t.Fatal(err)
	}
	return n + len(all)
}

// TestVLANs: each VLAN of an interface has a guard of its own, and a count.
func TestVLANs(t *testing.T) {
	near, far := cable(t)
	g, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	s := Service{Matches: matches(t, "tcp 10.0.0.100:80")}
	for _, err := range []error{g.Hide(&s), g.Attach("near", 10), g.Attach("near", 20)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p := packetSpec{src: "10.0.0.9", dst: "10.0.0.100", dport: 80, mac: near.Attrs().HardwareAddr}
	plain := p.frame(t)
	tagged := append(append(append([]byte{}, plain[:12]...), 0x81, 0, 0x20, 10), plain[12:]...)
	for range 3 {
		send(t, far, plain)
		send(t, far, tagged)
	}
	await(t, "three hidden packets", func() bool { return g.Hidden("near", 10) == 3 })
	if a, b := g.Hidden("near", 20), g.Hidden("near", 0); a+b != 0 {
		t.Errorf("%d packets of another VLAN and %d without tag are hidden", a, b)
	}
	for i, vlan := range []int{10, 20} {
		if err := g.Detach("near", vlan); err != nil {
			t.Fatal(err)
		}
		if n := programs(t, near); n != 1-i {
			t.Errorf("%d programs after %d of 2 VLANs were detached", n, i+1)
		}
	}
}

// TestDeaf: all that a VLAN brings is hidden, also what is the host's and what is no IP, and the
// other VLANs go on.
func TestDeaf(t *testing.T) {
	near, far := cable(t)
	g, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for _, err := range []error{
		g.SetHost([]netip.Addr{netip.MustParseAddr("10.0.0.1")}), g.Attach("near", 0), g.Deafen("near", 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p := packetSpec{src: "10.0.0.9", dst: "10.0.0.1", dport: 22, mac: near.Attrs().HardwareAddr}
	plain := p.frame(t)
	lldp := append(append([]byte{}, plain[:12]...), 0x88, 0xcc, 0, 0)
	tagged := append(append(append([]byte{}, plain[:12]...), 0x81, 0, 0, 10), plain[12:]...)
	heard := hear(t, near)
	for _, frame := range [][]byte{plain, lldp, tagged} {
		send(t, far, frame)
	}
	await(t, "both packets without tag hidden", func() bool { return g.Hidden("near", 0) >= 2 })
	if n := g.Hidden("near", 10); n != 0 {
		t.Errorf("%d packets of another VLAN are hidden", n)
	}
	await(t, "a copy for packet sockets", func() bool { return heard() > 0 })
	if err := g.Detach("near", 0); err != nil || programs(t, near) != 1 {
		t.Errorf("%v, or a guard that was detached has taken the other one along", err)
	}
	for range 2 { // the second time there is nothing to do
		if err := g.Hear("near", 0); err != nil || programs(t, near) != 0 {
			t.Errorf("%v, %d programs are left", err, programs(t, near))
		}
	}
}

// hear opens a packet socket. The returned function counts what it has got.
func hear(t *testing.T, at netlink.Link) func() int {
	t.Helper()
	const all = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL<<8&0xff00
	s, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, all)
	if err == nil {
		err = unix.Bind(s, &unix.SockaddrLinklayer{Protocol: all, Ifindex: at.Attrs().Index})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(s) })
	n, frame := 0, make([]byte, 2048)
	return func() int {
		if _, _, err := unix.Recvfrom(s, frame, 0); err == nil {
			n++
		}
		return n
	}
}

// TestHostOn: the addresses of an interface that others can use.
func TestHostOn(t *testing.T) {
	near, _ := cable(t)
	for _, a := range []string{"10.0.0.5/24", "fd00::5/64", "fe80::5/64"} {
		parsed, err := netlink.ParseAddr(a)
		if err == nil {
			err = netlink.AddrAdd(near, parsed)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	h, err := ReadHost()
	if err != nil {
		t.Fatal(err)
	}
	for _, on := range []struct {
		iface  string
		vlan   int
		want   string
		exists bool
	}{
		{"near", 0, "[10.0.0.5/24 fd00::5/64]", true}, {"near", 6, "[]", false}, {"far", 0, "[]", true},
		{"missing", 0, "[]", false},
	} {
		got, exists, err := h.On(on.iface, on.vlan)
		if fmt.Sprint(got) != on.want || exists != on.exists || err != nil {
			t.Errorf("%s, VLAN %d: %v, %t, %v; want %s", on.iface, on.vlan, got, exists, err, on.want)
		}
	}
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not in time", what)
		}
	}
}

// TestFilter: kernels without tcx get a filter, which hides too. It replaces the one of a director
// that was killed.
func TestFilter(t *testing.T) {
	near, far := cable(t)
	l := load(t)
	l.furnish(families["IPv4"], false)
	first, err := attachFilter(near, l.program)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.(*filter).claim.Close(); err != nil { // the kernel does so
		t.Fatal(err)
	}
	second, err := attachFilter(near, l.program)
	if err != nil {
		t.Fatal(err)
	}
	if n := programs(t, near); n != 1 {
		t.Errorf("%d filters, want the second alone", n)
	}
	p := packetSpec{src: "10.0.0.9", dst: "10.0.0.100", dport: 80, mac: near.Attrs().HardwareAddr}
	send(t, far, p.frame(t))
	await(t, "a hidden packet", func() bool { return l.device.hidden(0) == 1 })
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if n := programs(t, near); n != 0 {
		t.Errorf("%d filters are left", n)
	}
	all, err := netlink.QdiscList(near)
	for _, q := range all {
		if q.Type() == "clsact" {
			t.Error("the clsact qdisc is left")
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// TestLinkThatIsGone: an interface that is deleted takes its program along, without an error.
func TestLinkThatIsGone(t *testing.T) {
	for _, by := range []func(netlink.Link, *ebpf.Program) (io.Closer, error){attach, attachFilter} {
		near, _ := cable(t)
		attached, err := by(near, load(t).program)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkDel(near); err != nil {
			t.Fatal(err)
		}
		if err := attached.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestExplain: what the system lacks is named.
func TestExplain(t *testing.T) {
	const needs = "; guard = true needs "
	for err, want := range map[error]string{
		os.ErrPermission: "doing: permission denied" + needs +
			"CAP_BPF (or CAP_SYS_ADMIN) and CAP_NET_ADMIN",
		ebpf.ErrNotSupported: "doing: not supported" + needs +
			"a kernel with CONFIG_BPF_SYSCALL, CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS",
		unix.ENXIO: "doing: no such device or address",
	} {
		if got := explain("doing", err); got.Error() != want || !errors.Is(got, err) {
			t.Errorf("%v", got)
		}
	}
}
