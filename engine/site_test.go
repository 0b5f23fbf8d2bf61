package engine

import (
	"fmt"
	"fulcrum/lvs"
	"net/netip"
	"slices"
	"time"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/sched"
)

// host is a station: an address and its MAC.
type host struct {
	addr netip.Addr
	mac  packet.MAC
}

func station(addr string, n byte) host {
	return host{netip.MustParseAddr(addr), packet.MAC{2, 0, 0, 0, 1, n}}
}

// site is a topology: the director's ports and the stations around them. Most tests have clients
// far away behind a gateway; the neighbour is a client on the front subnet.
type site struct {
	name        string
	is6         bool
	ports       []host // the director's own address on each port
	front, back int    // the ports towards clients and real servers
	gateway     host
	neighbour   host
	servers     []host
	local       []netip.Addr
}

const (
	client   = "192.168.5.9:4000"
	webVIP   = "10.0.0.100:80"
	echoVIP  = "10.0.0.100:7"
	vipAlone = "10.0.0.100"
)

// oneArm has everything on one port and subnet.
var oneArm = site{
	name:      "one-arm",
	ports:     []host{station("10.0.0.1", 1)},
	gateway:   station("10.0.0.254", 0xfe),
	neighbour: station("10.0.0.9", 9),
	servers:   []host{station("10.0.0.11", 11), station("10.0.0.12", 12), station("10.0.0.13", 13)},
	local:     []netip.Addr{netip.MustParseAddr("10.0.0.50"), netip.MustParseAddr("10.0.0.51")},
}

// twoArm has the real servers on a port and subnet of their own.
var twoArm = site{
	name:      "two-arm",
	ports:     []host{station("10.0.0.1", 1), station("10.1.0.1", 2)},
	back:      1,
	gateway:   station("10.0.0.254", 0xfe),
	neighbour: station("10.0.0.9", 9),
	servers:   []host{station("10.1.0.11", 11), station("10.1.0.12", 12), station("10.1.0.13", 13)},
	local:     []netip.Addr{netip.MustParseAddr("10.1.0.50"), netip.MustParseAddr("10.1.0.51")},
}

var sites = []site{oneArm, twoArm, oneArm.twin(), twoArm.twin()}

// twin returns the site with the twins of all its addresses.
func (s site) twin() site {
	s.name, s.is6 = s.name+"-six", true
	s.ports, s.servers = twins(s.ports), twins(s.servers)
	s.gateway.addr, s.neighbour.addr = six(s.gateway.addr), six(s.neighbour.addr)
	s.local = slices.Clone(s.local)
	for i := range s.local {
		s.local[i] = six(s.local[i])
	}
	return s
}

func twins(hosts []host) []host {
	hosts = slices.Clone(hosts)
	for i := range hosts {
		hosts[i].addr = six(hosts[i].addr)
	}
	return hosts
}

// in returns a packet in the site's family.
func (s *site) in(p pkt) pkt {
	if s.is6 {
		return p.six()
	}
	return p
}

// settings has the site's addresses, the default route and static neighbours, and no service.
func (s *site) settings() Settings {
	n := Settings{Timeouts: testTimeouts(), ConnReuseMode: 3, PMTUDisc: true}
	for _, p := range s.ports {
		subnet := netip.PrefixFrom(p.addr, p.addr.BitLen()-8)
		n.Ports = append(n.Ports, PortSettings{Addresses: []netip.Prefix{subnet}})
	}
	everything := netip.MustParsePrefix("0.0.0.0/0")
	if s.is6 {
		everything = netip.MustParsePrefix("::/0")
	}
	n.Routes = []Route{{To: everything, Via: s.gateway.addr, Port: s.front}}
	n.Neighbours = []StaticNeighbour{
		{s.gateway.addr, s.gateway.mac, s.front},
		{s.neighbour.addr, s.neighbour.mac, s.front},
	}
	for _, rs := range s.servers {
		n.Neighbours = append(n.Neighbours, StaticNeighbour{rs.addr, rs.mac, s.back})
	}
	return n
}

// serving is settings with services.
func (s *site) serving(services ...Service) Settings {
	n := s.settings()
	n.Services = services
	return n
}

// service returns a service with the first n real servers, with weight 1 and round robin.
func (s *site) service(mode modes.Mode, protocol uint8, n int) Service {
	vip := at4(webVIP)
	if protocol == packet.ProtocolUDP {
		vip = at4(echoVIP)
	}
	if s.is6 {
		vip = sixPort(vip)
	}
	v := Service{Name: "test", Echo: true, Address: vip, Protocol: lvs.Protocol(protocol),
		Mode: mode, Scheduler: sched.RR}
	if mode == modes.FullNAT {
		v.LocalAddresses = s.local
	}
	for _, rs := range s.servers[:n] {
		v.RealServers = append(v.RealServers,
			RealServer{Address: netip.AddrPortFrom(rs.addr, serverPort(mode, vip)), Weight: 1})
	}
	return v
}

// web is a TCP service.
func (s *site) web(mode modes.Mode, n int) Service { return s.service(mode, packet.ProtocolTCP, n) }

// echo is a UDP service.
func (s *site) echo(mode modes.Mode, n int) Service {
	return s.service(mode, packet.ProtocolUDP, n)
}

// serverPort returns another port than the service's if the mode can translate it.
func serverPort(mode modes.Mode, vip netip.AddrPort) uint16 {
	if mode.TwoWay() {
		return vip.Port() + 8000
	}
	return vip.Port()
}

// own returns the director's own address on a port.
func (s *site) own(port int) host { return s.ports[port] }

func (s *site) String() string { return s.name }

// testTimeouts are short enough to tell the states apart, in seconds.
func testTimeouts() conntrack.Timeouts {
	t := conntrack.DefaultTimeouts()
	t.Set(conntrack.Established, 90*time.Second)
	return t
}

var allModes = []modes.Mode{modes.DR, modes.NAT, modes.FullNAT, modes.IPIP}

// clientAt is the i-th of many clients behind the gateway.
func clientAt(i int) string {
	return fmt.Sprintf("192.168.%d.%d:%d", 10+i/50_000, 1+i/250%200, 2000+i%50_000)
}
