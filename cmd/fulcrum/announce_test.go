package main

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"fulcrum/api"
	"fulcrum/control"
	"fulcrum/lab"
	"fulcrum/lvs"
	"fulcrum/packet"
)

// listener hears and says ARP on the front network of a lab, as its router.
type listener struct {
	*bed
	socket  int
	mac     packet.MAC // the router's
	address netip.Addr
}

// swapped is the EtherType of ARP in network byte order, as packet(7) wants it.
const swapped = 0x0608

func (b *bed) listen() *listener {
	b.t.Helper()
	l := &listener{bed: b, address: netip.MustParseAddr("10.0.0.254")}
	b.inside("router", func() (err error) {
		i, err := net.InterfaceByName("br-front")
		if err != nil {
			return err
		}
		l.mac = packet.MAC(i.HardwareAddr)
		l.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK, swapped)
		if err != nil {
			return err
		}
		return unix.Bind(l.socket, &unix.SockaddrLinklayer{Protocol: swapped, Ifindex: i.Index})
	})
	b.t.Cleanup(func() { unix.Close(l.socket) })
	return l
}

// say sends an ARP packet to all.
func (l *listener) say(f packet.ARPFields) {
	l.t.Helper()
	frame := make([]byte, packet.MinFrameLen)
	packet.Ethernet(frame).SetHeader(packet.Broadcast, f.SenderMAC, packet.EtherTypeARP)
	packet.ARP(frame[packet.EthernetLen:]).Encode(f)
	if _, err := unix.Write(l.socket, frame); err != nil {
		l.t.Fatal(err)
	}
}

// await returns the ARP packets that the director has sent, up to the first that ends holds for.
func (l *listener) await(what string, ends func(a packet.ARP) bool) (heard []packet.ARP) {
	l.t.Helper()
	director := packet.MAC(l.PortMAC("front"))
	eventually(l.t, what, func() bool {
		for {
			frame := make([]byte, 2048)
			n, err := unix.Read(l.socket, frame)
			if err != nil || n < packet.EthernetLen+packet.ARPLen {
				return false
			}
			if a := packet.ARP(frame[packet.EthernetLen:n]); a.SenderMAC() == director {
				if heard = append(heard, a); ends(a) {
					return true
				}
			}
		}
	})
	return heard
}

// announcements waits for n announcements of the VIP and returns their operations.
func (l *listener) announcements(what string, n int) (ops []packet.ARPOp) {
	l.t.Helper()
	l.await(what, func(a packet.ARP) bool {
		if vip := packet.Addr4(l.VIP()); a.SenderIP() == vip && a.TargetIP() == vip {
			ops = append(ops, a.Op())
		}
		return len(ops) == n
	})
	return ops
}

// answered asks for the VIP, and then for the director's own address, which it answers for in any
// case. It reports whether there was an answer about the VIP before that.
func (l *listener) answered() (vip bool) {
	l.t.Helper()
	own := packet.Addr4(l.PortAddress("front"))
	for _, a := range []uint32{packet.Addr4(l.VIP()), own} {
		l.say(packet.ARPFields{
			Op: packet.ARPRequest, SenderMAC: l.mac, SenderIP: packet.Addr4(l.address), TargetIP: a,
		})
	}
	heard := l.await("an answer", func(a packet.ARP) bool {
		return a.Op() == packet.ARPReply && a.SenderIP() == own && a.TargetIP() != own
	})
	return slices.ContainsFunc(heard, func(a packet.ARP) bool {
		return a.Op() == packet.ARPReply && a.SenderIP() == packet.Addr4(l.VIP()) &&
			a.TargetIP() == packet.Addr4(l.address)
	})
}

// knowVIP has the router send packets to the VIP to the director, without asking.
func (l *listener) knowVIP() {
	l.t.Helper()
	l.inside("router", func() error {
		bridge, err := netlink.LinkByName("br-front")
		if err != nil {
			return err
		}
		return netlink.NeighSet(&netlink.Neigh{
			LinkIndex: bridge.Attrs().Index, State: netlink.NUD_PERMANENT, IP: l.VIP().AsSlice(),
			HardwareAddr: l.PortMAC("front"),
		})
	})
}

// plug sets the other end of the director's cable up or down.
func (l *listener) plug(set func(netlink.Link) error) {
	l.t.Helper()
	l.inside("router", func() error {
		plug, err := netlink.LinkByName("director-front")
		if err != nil {
			return err
		}
		return set(plug)
	})
}

// TestAnnounceOnTheWire: a running director falls silent about its VIPs and forwards what comes all
// the same. It announces them again by a command, and after its link was down. It defends them
// against another station.
func TestAnnounceOnTheWire(t *testing.T) {
	b := newBed(t, lab.Config{Mode: lvs.DR, Arms: 1, Scheduler: lvs.RR})
	l := b.listen()
	client := api.NewClient(b.ControlSocket())
	announce := func(n control.AnnounceRequest) {
		t.Helper()
		var p control.Plan
		if err := client.Do(t.Context(), http.MethodPost, "announce", n, &p); err != nil || p.Empty() {
			t.Fatalf("%+v, %v", p, err)
		}
	}
	status := func() (s api.Status) {
		t.Helper()
		if err := client.Do(t.Context(), http.MethodGet, "status", nil, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	b.get(requests)

	announce(control.AnnounceRequest{Announce: false})
	// From the next turn on. The director has read it once it reports.
	eventually(t, "silence", func() bool { return !l.answered() })
	if s := status(); s.VIPs != 1 || s.PassiveVIPs != 1 || s.Announce {
		t.Errorf("status %+v", s)
	}
	l.knowVIP()
	b.get(requests)
	announce(control.AnnounceRequest{Service: "web", Announce: true})
	request, reply := packet.ARPRequest, packet.ARPReply
	if got := l.announcements("announcements", 4); !slices.Equal(got, []packet.ARPOp{request, reply, request, reply}) {
		t.Errorf("announced by %v", got)
	}
	if !l.answered() {
		t.Error("no answer for an announced VIP")
	}

	vip, rogue := packet.Addr4(b.VIP()), packet.MAC{2, 0, 0, 0, 9, 9}
	l.say(packet.ARPFields{Op: reply, SenderMAC: rogue, SenderIP: vip, TargetMAC: rogue, TargetIP: vip})
	if got := l.announcements("the defence", 1); got[0] != request {
		t.Errorf("defended by %v", got)
	}
	if s := status(); len(s.Conflicts) != 1 || s.Conflicts[0].MAC != rogue.String() {
		t.Errorf("conflicts %+v", s.Conflicts)
	}
	eventually(t, "a line in the log", func() bool {
		return strings.Count(b.Log("director"), "mac="+rogue.String()) == 1
	})

	l.plug(netlink.LinkSetDown)
	eventually(t, "the link down", func() bool {
		return strings.Contains(b.Log("director"), "link down")
	})
	l.plug(netlink.LinkSetUp)
	l.announcements("announcements after the link came back", 4)
	b.get(requests)
	b.stopDirector()
}
