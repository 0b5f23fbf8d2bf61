package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"fulcrum/api"
	"fulcrum/control"
	"fulcrum/lab"
	"fulcrum/lvs"
)

// TestGuard: on a host that forwards, the kernel answers too, through every mode and both families.
// With a guard it does not, and the host's own service is reachable throughout.
func TestGuard(t *testing.T) {
	for _, family := range []lab.Family{lab.IPv4, lab.IPv6} {
		for _, mode := range lab.Modes() {
			for _, arms := range []int{1, 2} {
				t.Run(fmt.Sprintf("%s/%s/%d-arm", mode, family, arms), func(t *testing.T) {
					t.Parallel()
					b := newGuardBed(t, lab.Config{Mode: mode, Family: family, Arms: arms})
					b.kernelAnswers()
					b.guard(true)
					b.kernelIsSilent()
					b.stopDirector()
					b.nothingAttached()
				})
			}
		}
	}
}

// TestGuardSharesAddresses: where the host has the VIP too, its kernel resets what the director
// serves, but not with a guard. The host's own service at the VIP stays reachable.
func TestGuardSharesAddresses(t *testing.T) {
	for _, family := range []lab.Family{lab.IPv4, lab.IPv6} {
		t.Run(family.String(), func(t *testing.T) {
			t.Parallel()
			b := newGuardBed(t, lab.Config{Mode: lvs.FullNAT, Family: family})
			b.session = "reset_unknown = \"off\"\n" // or the director resets what is the host's
			b.guard(false)
			b.addAddress("lo", b.VIP(), b.VIP().BitLen())
			b.own = append(b.own, b.listenAt("director", b.VIP()))
			eventually(t, "a warning about the VIP", func() bool {
				return strings.Contains(b.status(), "the host has the VIP "+b.VIP().String()+" too")
			})
			b.kernelAnswers()
			b.guard(true)
			b.kernelIsSilent()
			b.stopDirector()
		})
	}
}

// TestGuardFollows: a VIP that is added, here by a range, is hidden at once, one that is removed is
// not any more, and neither is anything without the guard. A director that is killed leaves nothing
// attached.
func TestGuardFollows(t *testing.T) {
	b := newGuardBed(t, lab.Config{Mode: lvs.DR})
	added := b.VIP().Next()
	const service = "[[service]]\nname = \"more\"\naddresses = [\"%s-%s:80\"]\n" +
		"protocol = \"tcp\"\nmode = \"dr\"\n"
	b.guard(true)
	b.kernelIsSilent()
	hidden := b.hidden()
	b.routeVIP(added)
	b.apply(true, fmt.Sprintf(service, b.VIP(), added))
	strays := b.hear("client")
	b.knock(added)
	eventually(t, "a hidden packet", func() bool { return b.hidden() > hidden })
	same(t, "answers of the kernel", strays.heard(), nil)
	b.apply(true, "")
	eventually(t, "an answer of the kernel about a VIP that was removed", func() bool {
		b.knock(added)
		return len(strays.heard()) > 0
	})
	b.guard(false)
	b.kernelAnswers()
	b.nothingAttached()
	b.guard(true)
	if err := b.KillDirector(); err != nil {
		t.Fatal(err)
	}
	b.nothingAttached()
}

// guardBed is a lab whose director is on a host that has addresses and forwards.
type guardBed struct {
	*bed
	own     []netip.AddrPort // the host's own services
	session string           // further keys of [session]
}

func newGuardBed(t *testing.T, c lab.Config) *guardBed {
	t.Helper()
	b := &guardBed{bed: newBed(t, c)}
	ports := []string{"front", "back"}[:max(1, c.Arms)]
	if c.Arms == 0 {
		ports = []string{"front", "back"}
	}
	for _, p := range ports {
		at := b.PortAddress(p).Next().Next()
		b.addAddress(p, at, map[bool]int{true: 24, false: 120}[at.Is4()])
		if p == "front" {
			b.own = append(b.own, b.listenAt("director", at))
		}
	}
	b.inside("director", func() error {
		gateway := b.PortAddress("front").AsSlice()
		gateway[len(gateway)-1] = 254
		return errors.Join(netlink.RouteAdd(&netlink.Route{Gw: gateway}), forward(ports))
	})
	eventually(t, "a warning that the kernel forwards", func() bool {
		return strings.Contains(b.status(), "forwarding)")
	})
	if want := "the kernel may answer too: it forwards"; !strings.Contains(b.Log("director"), want) {
		t.Errorf("the log does not say %q", want)
	}
	return b
}

// forward has the kernel forward and redirect, without a limit to what it says.
func forward(ports []string) error {
	settings := map[string]string{
		"ipv4/ip_forward": "1", "ipv4/conf/all/send_redirects": "1", "ipv4/icmp_ratelimit": "0",
		"ipv4/conf/all/arp_ignore": "0", "ipv6/conf/all/forwarding": "1",
	}
	for _, p := range ports {
		settings["ipv4/conf/"+p+"/send_redirects"] = "1"
	}
	for key, value := range settings {
		err := os.WriteFile("/proc/sys/net/"+key, []byte(value), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (b *guardBed) addAddress(device string, a netip.Addr, bits int) {
	b.t.Helper()
	b.inside("director", func() error {
		link, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		return netlink.AddrAdd(link, &netlink.Addr{Flags: unix.IFA_F_NODAD, IPNet: &net.IPNet{
			IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen()),
		}})
	})
}

// ownPort is where the host's own services listen.
const ownPort = 2222

// listenAt answers connections at an address of a host.
func (b *guardBed) listenAt(role string, a netip.Addr) netip.AddrPort {
	b.t.Helper()
	at := netip.AddrPortFrom(a, ownPort)
	b.inside(role, func() error {
		listener, err := net.Listen("tcp", at.String())
		if err != nil {
			return err
		}
		b.t.Cleanup(func() { listener.Close() })
		go answerConnections(listener)
		return nil
	})
	return at
}

// hostIsReachable exchanges bytes with the host's own services.
func (b *guardBed) hostIsReachable() {
	b.t.Helper()
	for _, at := range b.own {
		var conn net.Conn
		b.inside("client", func() (err error) {
			conn, err = net.DialTimeout("tcp", at.String(), patience)
			return err
		})
		_, err := conn.Write([]byte("?"))
		if err == nil {
			_, err = io.ReadFull(conn, make([]byte, 1))
		}
		if err = errors.Join(err, conn.Close()); err != nil {
			b.t.Errorf("the host's own service at %s: %v", at, err)
		}
	}
}

// request sends a request to each service. The kernel's answers may spoil it.
func (b *guardBed) request() {
	client := b.client(lab.ClientConfig{})
	ctx, cancel := context.WithCancel(b.t.Context())
	defer cancel()
	_, _ = client.Get(ctx)
	_, _ = client.Echo(ctx, []byte("are you there?"))
}

// kernelAnswers waits for an answer of the kernel to a request.
func (b *guardBed) kernelAnswers() {
	b.t.Helper()
	ears := []*ear{b.hear("client"), b.hear("rs1")}
	b.hostIsReachable()
	eventually(b.t, "an answer of the kernel", func() bool {
		b.request()
		return len(ears[0].heard())+len(ears[1].heard()) > 0
	})
}

// kernelIsSilent sends requests, which must be answered, and by the director alone.
func (b *guardBed) kernelIsSilent() {
	b.t.Helper()
	b.kernelForgets()
	client, server := b.hear("client"), b.hear("rs1")
	same(b.t, "TCP answers", len(b.get(12)), 12)
	same(b.t, "UDP answers", len(b.echo(12)), 12)
	b.hostIsReachable()
	same(b.t, "answers of the kernel to clients", client.heard(), nil)
	same(b.t, "answers of the kernel to real servers", server.heard(), nil)
	same(b.t, "stations that the kernel looks for", b.looksFor(), nil)
	eventually(b.t, "hidden packets in the status", func() bool { return b.hidden() > 0 })
}

// kernelForgets ends what the kernel still tries to forward.
func (b *guardBed) kernelForgets() {
	b.t.Helper()
	b.inside("director", func() error {
		all, err := netlink.NeighList(0, 0)
		for _, n := range all {
			if b.isDirectors(n.IP) {
				err = errors.Join(err, netlink.NeighDel(&n))
			}
		}
		return err
	})
	eventually(b.t, "an end of the kernel's questions", func() bool { return b.looksFor() == nil })
}

// looksFor returns the addresses of the director that the kernel has tried to reach: it has seen
// packets to them.
func (b *guardBed) looksFor() (list []string) {
	b.inside("director", func() error {
		all, err := netlink.NeighList(0, 0)
		for _, n := range all {
			if b.isDirectors(n.IP) {
				list = append(list, n.IP.String())
			}
		}
		return err
	})
	return list
}

func (b *guardBed) isDirectors(ip net.IP) bool {
	a, _ := netip.AddrFromSlice(ip)
	a = a.Unmap()
	return a == b.VIP() || slices.Contains(b.LocalAddresses(), a)
}

// guard sets the key of all ports while the director runs.
func (b *guardBed) guard(on bool) {
	b.t.Helper()
	b.apply(on, "")
	eventually(b.t, "the guard in the status", func() bool {
		return strings.Contains(b.status(), "guard: on") == on
	})
}

// apply applies the lab's configuration with guards and further services.
func (b *guardBed) apply(guarded bool, services string) {
	b.t.Helper()
	text, err := os.ReadFile(b.directorFile())
	if err != nil {
		b.t.Fatal(err)
	}
	const key, session = "device    =", "[session]\n"
	changed := strings.ReplaceAll(string(text), key, fmt.Sprintf("guard = %t\n%s", guarded, key))
	changed = strings.Replace(changed, session, session+b.session, 1)
	var plan control.Plan
	client := api.NewClient(b.ControlSocket())
	err = client.Do(b.t.Context(), http.MethodPost, "apply", []byte(changed+services), &plan)
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *guardBed) status() string {
	b.t.Helper()
	text, _ := ask(b.t, 0, "status", "--socket", b.ControlSocket())
	return text
}

// hidden returns how many packets all guards have hidden.
func (b *guardBed) hidden() (sum uint64) {
	b.t.Helper()
	var s api.Status
	err := api.NewClient(b.ControlSocket()).Do(b.t.Context(), http.MethodGet, "status", nil, &s)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, g := range s.PortGuards {
		sum += g.Hidden
	}
	return sum
}

// routeVIP has the router send packets to an address to the director, whether it answers for it or
// not.
func (b *guardBed) routeVIP(a netip.Addr) {
	b.t.Helper()
	b.inside("router", func() error {
		bridge, err := netlink.LinkByName("br-front")
		if err != nil {
			return err
		}
		return netlink.NeighSet(&netlink.Neigh{LinkIndex: bridge.Attrs().Index, IP: a.AsSlice(),
			HardwareAddr: b.PortMAC("front"), State: netlink.NUD_PERMANENT})
	})
}

// knock sends a datagram to an address.
func (b *guardBed) knock(a netip.Addr) {
	b.t.Helper()
	b.inside("client", func() error {
		conn, err := net.Dial("udp", netip.AddrPortFrom(a, 9).String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte("knock"))
		return err
	})
}

// nothingAttached waits until no program is left at the director's interfaces.
func (b *guardBed) nothingAttached() {
	b.t.Helper()
	eventually(b.t, "nothing attached", func() bool {
		left := 0
		b.inside("director", func() error {
			all, err := netlink.LinkList()
			for _, l := range all {
				r, failed := link.QueryPrograms(link.QueryOptions{
					Target: l.Attrs().Index, Attach: ebpf.AttachTCXIngress,
				})
				if err = errors.Join(err, failed); failed == nil {
					left += len(r.Programs)
				}
			}
			return err
		})
		return left == 0
	})
}

// ear is a packet socket in a host of the lab.
type ear struct {
	*guardBed
	role   string
	socket int
}

func (b *guardBed) hear(role string) *ear {
	b.t.Helper()
	e := &ear{guardBed: b, role: role}
	b.inside(role, func() (err error) {
		device, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		protocol := int(unix.ETH_P_ALL>>8 | unix.ETH_P_ALL<<8&0xff00)
		e.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK,
			protocol)
		if err != nil {
			return err
		}
		b.t.Cleanup(func() { unix.Close(e.socket) })
		return unix.Bind(e.socket, &unix.SockaddrLinklayer{
			Protocol: uint16(protocol), Ifindex: device.Attrs().Index,
		})
	})
	return e
}

// heard returns what the host has received since the last call that only a kernel sends.
func (e *ear) heard() (strays []string) {
	e.t.Helper()
	frame := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(e.socket, frame, 0)
		if errors.Is(err, unix.EAGAIN) {
			return strays
		}
		if err != nil {
			e.t.Fatal(err)
		}
		if from.(*unix.SockaddrLinklayer).Pkttype != unix.PACKET_HOST {
			continue
		}
		p := gopacket.NewPacket(frame[:n], layers.LayerTypeEthernet, gopacket.Default)
		if e.isStray(p) {
			strays = append(strays, describe(p))
		}
	}
}

// describe returns the ends of a packet.
func describe(p gopacket.Packet) string {
	text := fmt.Sprint(p.NetworkLayer().NetworkFlow())
	if t, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP); ok {
		return fmt.Sprintf("%s %d>%d SYN %t ACK %t RST %t", text, t.SrcPort, t.DstPort, t.SYN, t.ACK,
			t.RST)
	}
	return fmt.Sprintf("%s %x", text, p.NetworkLayer().LayerPayload())
}

// isStray reports whether a packet is a redirect, an unreachable or a reset, or reaches a client in
// a real server's name. Errors from a VIP are the director's.
func (e *ear) isStray(p gopacket.Packet) bool {
	network := p.NetworkLayer()
	if network == nil {
		return false
	}
	src, _ := netip.AddrFromSlice(network.NetworkFlow().Src().Raw())
	if vip := e.VIP(); p.Layer(layers.LayerTypeTCP) == nil && (src == vip || src == vip.Next()) {
		return false
	}
	if l, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4); ok {
		t := l.TypeCode.Type()
		return t == layers.ICMPv4TypeRedirect || t == layers.ICMPv4TypeTimeExceeded ||
			t == layers.ICMPv4TypeDestinationUnreachable
	}
	if l, ok := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6); ok {
		t := l.TypeCode.Type()
		return t == layers.ICMPv6TypeRedirect || t == layers.ICMPv6TypeTimeExceeded ||
			t == layers.ICMPv6TypeDestinationUnreachable
	}
	if l, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP); ok && l.RST {
		return true
	}
	return e.role == "client" && p.TransportLayer() != nil &&
		slices.ContainsFunc(e.RealServers(), func(rs lab.RealServer) bool {
			return rs.Web.Addr() == src
		})
}
