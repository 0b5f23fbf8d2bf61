package engine

import (
	"net/netip"
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
)

// linked is a director between two routers that have the same link-local address on their networks.
// Behind the back one are the real servers.
type linked struct {
	site
	routers [2]host
	server  netip.AddrPort
}

func newLinked(routers string) *linked {
	l := &linked{site: twoArm.twin(), server: netip.MustParseAddrPort("[2001:db8:2::11]:8080")}
	l.routers = [2]host{station(routers, 0xa1), station(routers, 0xa2)}
	return l
}

// settings has a link-local address on each port.
func (l *linked) settings(own [2]string) Settings {
	n := Settings{Timeouts: testTimeouts()}
	v := l.web(modes.NAT, 1)
	v.RealServers = []RealServer{{Address: l.server, Weight: 1}}
	n.Services = []Service{v}
	for i, p := range l.ports {
		n.Ports = append(n.Ports, PortSettings{Addresses: []netip.Prefix{
			netip.PrefixFrom(p.addr, 120), netip.MustParsePrefix(own[i] + "/64"),
		}})
	}
	n.Routes = []Route{
		{netip.MustParsePrefix("::/0"), l.routers[0].addr, 0},
		{netip.MustParsePrefix("2001:db8:2::/48"), l.routers[1].addr, 1},
	}
	return n
}

// crosses has a client's packet and its answer go from router to router.
func (l *linked) crosses(b *bed) {
	b.Helper()
	in := tcp("1.1.1.1:1", webVIP, "S").six().from(netip.MustParseAddrPort("[2001:db8:1::9]:4000"))
	b.receive(0, in.frame(l.routers[0].mac, l.ports[0].mac))
	b.sent(1, in.hop().to(l.server).frame(l.ports[1].mac, l.routers[1].mac))
	out := pkt{src: in.src, dst: l.server, protocol: packet.ProtocolTCP}.reply("SA", "")
	b.receive(1, out.frame(l.routers[1].mac, l.ports[1].mac))
	b.sent(0, out.hop().from(in.dst).frame(l.ports[0].mac, l.routers[0].mac))
}

// TestSameLinkLocalRouters: two routers with one address are two neighbours, resolved or static.
func TestSameLinkLocalRouters(t *testing.T) {
	l := newLinked("fe80::fe")
	n := l.settings([2]string{"fe80::1", "fe80::1"})
	b := newSilentBed(t, l.site, n)
	b.turn()
	for port := range 2 {
		from := host{netip.MustParseAddr("fe80::1"), l.ports[port].mac}
		asked := false
		for _, f := range collect(b.ports[port]) {
			asked = asked || string(f) == string(solicits(l.routers[port].addr, from))
		}
		if !asked {
			t.Errorf("port %d: the router is not asked for", port)
		}
	}
	b.announced()
	for port, r := range l.routers {
		b.receive(port, nd(r, host{netip.MustParseAddr("fe80::1"), l.ports[port].mac},
			ndAdvertisement, 0xe0000000, r.addr))
	}
	l.crosses(b)
	b.dropped("")
}

func TestSameStaticLinkLocalRouters(t *testing.T) {
	l := newLinked("fe80::fe")
	n := l.settings([2]string{"fe80::1", "fe80::1"})
	for port, r := range l.routers {
		n.Neighbours = append(n.Neighbours, StaticNeighbour{r.addr, r.mac, port})
	}
	l.crosses(newBed(t, l.site, n))
}

// TestRouterHasTheOtherPortsAddress: the director's link-local address of one port is a router's on
// the other.
func TestRouterHasTheOtherPortsAddress(t *testing.T) {
	l := newLinked("fe80::fe")
	l.routers[1].addr = netip.MustParseAddr("fe80::1")
	b := newBed(t, l.site, l.settings([2]string{"fe80::1", "fe80::2"}))
	b.receive(0, nd(l.routers[0], host{netip.MustParseAddr("fe80::1"), l.ports[0].mac},
		ndAdvertisement, 0xe0000000, l.routers[0].addr))
	b.receive(1, nd(l.routers[1], host{netip.MustParseAddr("fe80::2"), l.ports[1].mac},
		ndAdvertisement, 0xe0000000, l.routers[1].addr))
	l.crosses(b)
	// On its own port it stays the director's.
	forger := host{netip.MustParseAddr("fe80::1"), packet.MAC{2, 0, 0, 0, 6, 66}}
	b.receive(0, solicits(l.ports[0].addr, forger))
	if b.knows(forger, 0) {
		t.Error("the director has learnt its own address")
	}
}

// TestLinkLocalClients: with such addresses on several ports, answers would not find their way.
// With one, they do. They never take a route.
func TestLinkLocalClients(t *testing.T) {
	l := newLinked("fe80::fe")
	n := l.settings([2]string{"fe80::1", "fe80::1"})
	client := netip.MustParseAddrPort("[fe80::9]:4000")
	in := tcp("1.1.1.1:1", webVIP, "S").six().from(client)
	b := newBed(t, l.site, n)
	b.receive(0, in.frame(l.neighbour.mac, l.ports[0].mac))
	b.dropped("bad_source=1")

	n.Ports[1].Addresses = n.Ports[1].Addresses[:1]
	n.Routes[1].Via = l.servers[0].addr
	n.Neighbours = []StaticNeighbour{
		{l.servers[0].addr, l.routers[1].mac, 1}, {client.Addr(), l.routers[0].mac, 0},
	}
	b.apply(n)
	b.receive(0, in.frame(l.routers[0].mac, l.ports[0].mac))
	b.sent(1, in.hop().to(l.server).frame(l.ports[1].mac, l.routers[1].mac))
	out := pkt{src: in.src, dst: l.server, protocol: packet.ProtocolTCP}.reply("SA", "")
	b.receive(1, out.frame(l.routers[1].mac, l.ports[1].mac))
	b.sent(0, out.hop().from(in.dst).frame(l.ports[0].mac, l.routers[0].mac))

	n.Ports[0].Addresses = n.Ports[0].Addresses[:1]
	n.Routes[0].Via = l.gateway.addr
	n.Neighbours = n.Neighbours[:1]
	b.apply(n)
	b.receive(1, out.frame(l.routers[1].mac, l.ports[1].mac))
	b.dropped("bad_source=1 no_route=1")
}
