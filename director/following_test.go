package director

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"fulcrum/control"
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

// answersFor reports whether the director answers a question for an address. It waits for the
// answer to a later question for the port's own address.
func (b *bed) answersFor(address [4]byte) (answers bool) {
	b.Helper()
	own := [4]byte{10, 0, 0, 1}
	b.devices.port.Collect(0)
	b.ask(address)
	b.ask(own)
	b.eventually("an answer for the port's own address", func() bool {
		done := false
		for _, f := range b.devices.port.Collect(0) {
			p := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.Default)
			arp, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP)
			if ok && arp.Operation == layers.ARPReply && [4]byte(arp.DstProtAddress) == asker {
				answers = answers || [4]byte(arp.SourceProtAddress) == address
				done = done || [4]byte(arp.SourceProtAddress) == own
			}
		}
		return done
	})
	return answers
}

// asker is the station that asks.
var asker = [4]byte{10, 0, 0, 9}

// ask sends the director a question for an address.
func (b *bed) ask(address [4]byte) {
	b.Helper()
	client := []byte{2, 0, 0, 0, 0, 9}
	frame := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(frame, gopacket.SerializeOptions{},
		&layers.Ethernet{SrcMAC: client, DstMAC: []byte{255, 255, 255, 255, 255, 255},
			EthernetType: layers.EthernetTypeARP},
		&layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4,
			HwAddressSize: 6, ProtAddressSize: 4, Operation: layers.ARPRequest,
			SourceHwAddress: client, SourceProtAddress: asker[:],
			DstHwAddress: make([]byte, 6), DstProtAddress: address[:]})
	if err != nil {
		b.Fatal(err)
	}
	if !b.devices.port.Receive(frame.Bytes()) {
		b.Fatal("no buffer for a frame")
	}
}

// noLinkLocal keeps the kernel from giving new interfaces of the namespace addresses of its own.
func noLinkLocal(t *testing.T) {
	t.Helper()
	err := os.WriteFile("/proc/sys/net/ipv6/conf/default/addr_gen_mode", []byte("1"), 0)
	if err != nil {
		t.Fatal(err)
	}
}

// TestFollowing: a director begins with what its host interface has, and follows what changes,
// whether the interface exists or not. A VIP that the host owns is answered for while it has it,
// and its sessions go on without.
func TestFollowing(t *testing.T) {
	if !ownNamespace(t) {
		return
	}
	noLinkLocal(t)
	ip(t, "link set lo up", "tuntap add dev ful-front mode tap", "link set ful-front up",
		"address add 10.0.0.7/24 dev ful-front", "route add 10.8.0.0/16 via 10.0.0.254")
	b := newBed(t)
	b.rewrite(`device = "net_null0"`, "device = \"net_af_packet0,iface=eth1\"\nhost = \"ful-front\"\nfollow = true")
	b.rewrite(`name = "dns"`, "name = \"dns\"\nvip_owner = \"host\"")
	b.load()
	b.start()
	has := func(addresses, routes, neighbours string) {
		t.Helper()
		var got control.HostReport
		b.eventually("address "+addresses+" route "+routes+" neighbour "+neighbours, func() bool {
			got = b.running.HostReports()[0]
			return strings.Join(got.Addresses, " ") == addresses && strings.Join(got.Routes, ", ") == routes &&
				strings.Join(got.Neighbours, ", ") == neighbours
		})
	}
	first := b.running.HostReports()[0]
	if len(first.Addresses) == 0 || first.Addresses[0] != "10.0.0.7/24" || len(first.Routes) != 1 {
		t.Errorf("it begins with %+v", first)
	}
	has("10.0.0.7/24", "10.8.0.0/16 via 10.0.0.254", "")
	if !b.answersFor([4]byte{10, 0, 0, 7}) {
		t.Error("no answer for the address of the host interface")
	}
	vip := [4]byte{10, 0, 0, 100}
	b.send(4000)
	for range 3 {
		if b.answersFor(vip) {
			t.Fatal("an answer for a VIP that the host does not have")
		}
		ip(t, "address add 10.0.0.100/32 dev ful-front")
		b.eventually("an answer for the VIP", func() bool { return b.answersFor(vip) })
		b.send(4000)
		ip(t, "address del 10.0.0.100/32 dev ful-front")
		b.eventually("silence about the VIP", func() bool { return !b.answersFor(vip) })
		b.send(4000)
	}
	ip(t, "link add eth1 type veth peer name far")
	warned := func() string {
		var all []string
		for _, w := range b.running.Report().PortWarnings() {
			all = append(all, w.Warning)
		}
		return strings.Join(all, "; ")
	}
	if text := warned(); text != "" {
		t.Errorf("warnings %q", text)
	}
	ip(t, "address add 10.0.0.1/24 dev eth1")
	b.eventually("a warning", func() bool {
		return warned() == "eth1 below it has addresses as well as ful-front, 10.0.0.1: the kernel answers in "+
			"the director's place; fulcrum host adopt front moves them"
	})
	ip(t, "link del eth1")
	b.eventually("no warning", func() bool { return warned() == "" })
	ip(t, "neighbour add 10.0.0.254 lladdr 02:00:00:00:00:fe dev ful-front")
	has("10.0.0.7/24", "10.8.0.0/16 via 10.0.0.254", "10.0.0.254 at 02:00:00:00:00:fe")
	ip(t, "link del ful-front")
	has("", "", "")
	if b.answersFor([4]byte{10, 0, 0, 7}) {
		t.Error("an answer for an address that is gone")
	}
	b.eventually("an interface that was made again", func() bool {
		return b.Report().Ports[0].Host.Up
	})
	ip(t, "address add 10.0.0.8/24 dev ful-front")
	has("10.0.0.8/24", "", "")
	if got := b.running.HostReports()[0]; got.Summary() != "followed: 1 address, 0 routes, 0 neighbours" {
		t.Errorf("summary %q", got.Summary())
	}
	if n := b.running.Report().Services[0].Connections; n != 1 {
		t.Errorf("%d sessions began, want the first one only", n)
	}
}
