package engine

import (
	"net/netip"
	"slices"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/sched"
)

// Settings are what may change while the director runs. The caller has validated them; they hold
// addresses and indices instead of names and files.
type Settings struct {
	Ports        []PortSettings // one for each of the engine's ports, in their order
	Routes       []Route
	Neighbours   []StaticNeighbour
	Services     []Service
	SloppyTCP    bool               // any TCP packet but RST may start a session
	ExpireNoDest bool               // sessions end with their real server; SYNs leave one of weight 0
	Timeouts     conntrack.Timeouts // of sessions without packets, by state
	// RouteUnmatched: what real servers of nat services send on their own account, and what returns
	// to them, is routed.
	RouteUnmatched bool
}

// PortSettings are a port's own addresses, each with its subnet's prefix length.
type PortSettings struct {
	Addresses []netip.Prefix
}

// Route sends packets to a destination through a gateway on a port's subnet.
type Route struct {
	To   netip.Prefix
	Via  netip.Addr // the gateway
	Port int        // index of the port whose subnet has the gateway
}

// StaticNeighbour is a next hop with a fixed MAC: it needs no ARP and no neighbour discovery.
type StaticNeighbour struct {
	Address netip.Addr
	MAC     packet.MAC
	Port    int // index of the port where it is
}

// Service is a virtual service.
type Service struct {
	Name           string
	Address        netip.AddrPort
	Protocol       lvs.Protocol
	Mode           lvs.Mode
	Scheduler      sched.Kind
	LocalAddresses []netip.Addr // fullnat; of the families of its real servers
	// MSS is the upper limit, in bytes, for the maximum segment size in TCP's SYNs. Zero changes
	// nothing.
	MSS uint16
	// Echo: the director answers echo requests to the VIP while a real server is available. Without
	// Echo, real servers get them.
	Echo        bool
	RealServers []RealServer // in file order
}

// RealServer is a member of a service's pool.
type RealServer struct {
	Address        netip.AddrPort
	Weight         int32
	UpperThreshold int32 // connections; 0 is none
	LowerThreshold int32 // connections; 0 is upper - upper/4
}

// ID returns the service's identity.
func (s *Service) ID() lvs.ServiceID {
	return lvs.ServiceID{Protocol: s.Protocol, Address: s.Address}
}

func (s *Service) vip() packet.Addr { return packet.AddrOf(s.Address.Addr()) }

// equal reports whether two services are the same in every setting.
func (s *Service) equal(o *Service) bool {
	return s.sameSettings(o) && slices.Equal(s.RealServers, o.RealServers)
}

// sameSettings is equal without the real servers.
func (s *Service) sameSettings(o *Service) bool {
	return s.Name == o.Name && s.Address == o.Address && s.Protocol == o.Protocol &&
		s.Mode == o.Mode && s.Scheduler == o.Scheduler && s.MSS == o.MSS && s.Echo == o.Echo &&
		slices.Equal(s.LocalAddresses, o.LocalAddresses)
}

// sameOptions reports whether two settings have the same switches and timeouts.
func (s *Settings) sameOptions(o *Settings) bool {
	return s.SloppyTCP == o.SloppyTCP && s.ExpireNoDest == o.ExpireNoDest &&
		s.Timeouts == o.Timeouts && s.RouteUnmatched == o.RouteUnmatched
}
