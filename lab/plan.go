package lab

import (
	"fmt"
	"net"
	"net/netip"
)

// The addresses of every lab. All labs use the same ones, since each has its own namespaces.
var (
	clientNet   = netip.MustParsePrefix("10.9.0.0/24")
	frontNet    = netip.MustParsePrefix("10.0.0.0/24")
	backNet     = netip.MustParsePrefix("10.1.0.0/24")
	vip         = netip.MustParseAddr("10.0.0.100")
	webService  = netip.AddrPortFrom(vip, 80)
	echoService = netip.AddrPortFrom(vip, 7)
)

// six returns the IPv6 address or subnet that stands for an IPv4 one in a lab: fd00:: and its four
// bytes.
func six(a netip.Addr) netip.Addr {
	b := [16]byte{0: 0xfd}
	copy(b[12:], a.AsSlice())
	return netip.AddrFrom16(b)
}

func sixNet(p netip.Prefix) netip.Prefix { return netip.PrefixFrom(six(p.Addr()), p.Bits()+96) }

// Host parts of the addresses.
const (
	hostDirector   = 1
	hostChecks     = 9  // of the director's host, if it has no host interface
	hostRealServer = 11 // and those after it, MaxRealServers in all
	hostLocal      = 50 // and the three after it
	hostRouter     = 254
	clientCount    = 8
	localCount     = 4
)

// Roles name the namespaces of a lab.
const (
	roleClient   = "client"
	roleRouter   = "router"
	roleDirector = "director"
)

// A network is a bridge in the router's namespace, the router's addresses on it, and the hosts that
// are connected to it.
type network struct {
	name    string
	routers []netip.Prefix
	ends    []end
	hosts   []netip.Addr // on no subnet: the router needs a route to each
}

func (n network) bridge() string { return "br-" + n.name }

// An end is a host's interface on a network: a veth whose other end, plug, is a port of the bridge.
type end struct {
	role      string
	device    string
	plug      string
	mac       net.HardwareAddr
	addresses []netip.Prefix // the kernel's; none for the director
}

// A plan is the topology of one lab as plain values. Building, drawing and the director's
// configuration read it.
type plan struct {
	networks    []network
	ports       []directorPort
	realServers []RealServer
	clients     []netip.Addr
	local       []netip.Addr // of fullnat
	clientNet   netip.Prefix
	frontNet    netip.Prefix
	serverNet   netip.Prefix // the network of the real servers
	vip         netip.Addr
	web, echo   netip.AddrPort // the services

	// Of a lab that a file describes, which has networks and the names of real servers besides.
	hosts       map[string]*fileHost // by role
	services    []fileService
	viaDirector []hostRoute
}

// A directorPort is one arm of the director.
type directorPort struct {
	Name    string
	Address netip.Prefix
	MAC     net.HardwareAddr
}

// RealServer is one real server of a lab.
type RealServer struct {
	Name   string
	Weight int
	// Web and Echo are the addresses that the director sends TCP and UDP to.
	Web, Echo netip.AddrPort
}

func newPlan(c Config) plan {
	p := plan{clientNet: clientNet, frontNet: frontNet, serverNet: backNet, vip: vip}
	if c.Arms == 1 {
		p.serverNet = frontNet
	}
	if c.Family.has6() {
		p.clientNet, p.frontNet, p.vip = sixNet(clientNet), sixNet(frontNet), six(vip)
	}
	if c.Family == IPv6 {
		p.serverNet = sixNet(p.serverNet)
	}
	p.web, p.echo = netip.AddrPortFrom(p.vip, webService.Port()),
		netip.AddrPortFrom(p.vip, echoService.Port())
	p.clients = hosts(p.clientNet, 1, clientCount)
	p.local = hosts(p.serverNet, hostLocal, localCount)
	p.realServers = planRealServers(c, p.serverNet)
	p.networks = []network{planNetwork("clients", p.clientNet), planNetwork("front", p.frontNet)}
	p.addPort("front", p.frontNet)
	if c.Arms == 2 {
		p.networks = append(p.networks, planNetwork("back", p.serverNet))
		p.addPort("back", p.serverNet)
	}
	p.plugClients()
	p.plugRealServers()
	return p
}

func planNetwork(name string, subnet netip.Prefix) network {
	return network{name: name, routers: []netip.Prefix{withBits(host(subnet, hostRouter), subnet)}}
}

// planRealServers gives real servers other ports in the modes that translate ports. dr and ipip
// cannot.
func planRealServers(c Config, subnet netip.Prefix) []RealServer {
	web, echo := webService.Port(), echoService.Port()
	if c.Mode.TwoWay() {
		web, echo = 8080, 7007
	}
	var list []RealServer
	for i, address := range hosts(subnet, hostRealServer, c.Servers) {
		list = append(list, RealServer{
			Name:   fmt.Sprintf("rs%d", i+1),
			Weight: c.Weights[i],
			Web:    netip.AddrPortFrom(address, web),
			Echo:   netip.AddrPortFrom(address, echo),
		})
	}
	return list
}

func (p *plan) addPort(name string, subnet netip.Prefix) {
	address := host(subnet, hostDirector)
	port := directorPort{Name: name, Address: withBits(address, subnet), MAC: macOf(address)}
	p.ports = append(p.ports, port)
	last := &p.networks[len(p.networks)-1]
	last.ends = append(last.ends, end{role: roleDirector, device: name, plug: "director-" + name,
		mac: port.MAC})
}

func (p *plan) plugClients() {
	clients := end{role: roleClient, device: "eth0", plug: roleClient, mac: macOf(p.clients[0])}
	for _, address := range p.clients {
		clients.addresses = append(clients.addresses, withBits(address, p.clientNet))
	}
	p.networks[0].ends = append(p.networks[0].ends, clients)
}

func (p *plan) plugRealServers() {
	last := &p.networks[len(p.networks)-1]
	for _, rs := range p.realServers {
		address := rs.Web.Addr()
		last.ends = append(last.ends, end{
			role: rs.Name, device: "eth0", plug: rs.Name, mac: macOf(address),
			addresses: []netip.Prefix{withBits(address, p.serverNet)},
		})
	}
}

// roles returns the roles of the lab's namespaces.
func (p *plan) roles() []string {
	list := []string{roleClient, roleRouter, roleDirector}
	for _, rs := range p.realServers {
		list = append(list, rs.Name)
	}
	return list
}

// serverRouter and serverDirector return the two possible gateways of a real server.
func (p *plan) serverRouter() netip.Addr   { return host(p.serverNet, hostRouter) }
func (p *plan) serverDirector() netip.Addr { return host(p.serverNet, hostDirector) }

func host(subnet netip.Prefix, number byte) netip.Addr {
	bytes := subnet.Addr().AsSlice()
	bytes[len(bytes)-1] = number
	a, _ := netip.AddrFromSlice(bytes)
	return a
}

func hosts(subnet netip.Prefix, first, count int) []netip.Addr {
	var list []netip.Addr
	for i := range count {
		list = append(list, host(subnet, byte(first+i)))
	}
	return list
}

func withBits(address netip.Addr, subnet netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(address, subnet.Bits())
}

// macOf returns a locally administered MAC address that is easy to read in a capture: 02:00 and the
// IPv4 address, or the one that the IPv6 address stands for.
func macOf(address netip.Addr) net.HardwareAddr {
	all := address.AsSlice()
	return append(net.HardwareAddr{2, 0}, all[len(all)-4:]...)
}
