package engine

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

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
	SloppyTCP    bool // any TCP packet but RST may start a session
	ExpireNoDest bool // sessions end with their real server; SYNs leave one of weight 0
	// ExpireQuiescent: clients of persistent services leave a real server of weight 0.
	ExpireQuiescent bool
	ResetUnknown    ResetUnknown       // which packets of no session are answered
	Timeouts        conntrack.Timeouts // of sessions without packets, by state
	// Announcements is how often a new address is announced. Zero means twice, as in RFC 5227.
	Announcements int
	SloppySCTP    bool // any SCTP packet but ABORT may start a session
	// ConnReuseMode says which sessions a SYN or an INIT ends, as IPVS's conn_reuse_mode does: with
	// 0 none, otherwise ended ones, and with reuseFinWait those in FIN_WAIT that had no reply.
	ConnReuseMode uint8
	NATICMPSend   bool // nat real servers are told of packets of no session
	// PMTUDisc: clients hear of packets that are too big for a tunnel. Otherwise IPv4 packets go on
	// in fragments, also those with DF.
	PMTUDisc     bool
	ScheduleICMP bool // ICMP errors about unknown flows go where the scheduler's hash says
	// RouteUnmatched: what real servers of nat services send on their own account, and what returns
	// to them, is routed.
	RouteUnmatched bool
	Defences
}

func (s *Settings) announcements() int { return cmp.Or(s.Announcements, defaultAnnouncements) }

// PortSettings are a port's own addresses, each with its subnet's prefix length, and whether it has
// a host interface. The latter does not change while the engine runs.
type PortSettings struct {
	Addresses []netip.Prefix
	Host      bool
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
	Address        netip.AddrPort // of the first match; the unspecified address for a mark
	Protocol       lvs.Protocol   // zero for a mark
	Mode           lvs.Mode       // of real servers without their own
	Scheduler      sched.Kind
	SchedulerFlags lvs.SchedulerFlags
	LocalAddresses []netip.Addr // fullnat; of the families of its real servers
	// Matches is what the service claims, of one family; nil if it is Address alone. With a Mark,
	// they are the matches that have the number.
	Matches []lvs.Match
	Mark    uint32
	// MSS is the upper limit, in bytes, for the maximum segment size in TCP's SYNs. Zero changes
	// nothing.
	MSS uint16
	// Echo: the director answers echo requests to the VIP while a real server is available. Without
	// Echo, real servers get them.
	Echo bool
	// Silent: the service does not want its VIP announced. A VIP whose services are all silent is
	// passive: the director neither announces it nor answers ARP and neighbour solicitations for it,
	// unless it is a port's own address. Packets to it are forwarded all the same.
	Silent bool
	// SilentAt are VIPs, each the single address of a match, that the service does not want announced
	// although it is not silent.
	SilentAt    []netip.Addr
	MaxSessions int // in the whole director; 0 is no limit
	MaxRate     int // new sessions a second, in the whole director; 0 is no limit
	// MaxSessionsPerSource and MaxRatePerSource are the same for each source: an IPv4 address, or an
	// IPv6 network of 64 bits.
	MaxSessionsPerSource, MaxRatePerSource int
	// Refuse is what its clients hear when no real server is available.
	Refuse lvs.Refusal
	// Timeouts of its sessions by state, in ms; zero is that of Settings.
	Timeouts conntrack.Timeouts
	// Persistence is how long a client's network stays with its real server after its last new
	// session; 0 is not at all. PersistenceMask is the prefix length of such a network, in bits.
	Persistence     time.Duration
	PersistenceMask int
	// PersistenceEngine has each call of a network stay for itself. Its protocol is the service's.
	PersistenceEngine lvs.PersistenceEngine
	// OnePacket: each datagram of UDP is scheduled alone, and no session is kept. No real server has
	// a mode with local addresses.
	OnePacket   bool
	RealServers []RealServer // in file order
}

// RealServer is a member of a service's pool.
type RealServer struct {
	Address        netip.AddrPort
	Mode           lvs.OwnMode // of new sessions
	Weight         int32
	UpperThreshold int32 // connections; 0 is none
	LowerThreshold int32 // connections; 0 is upper - upper/4
	// Share is what it gets in slow start: tenths of its share of the new sessions, up to
	// FullShare. 0: it is not in slow start.
	Share uint8
	// Down: it is left out of the pool, so that schedulers take it for removed, and templates do not
	// lead to it. Its sessions go on. Standby says that it is down because it is not needed.
	Down, Standby bool
	// Inhibited: it is down as with weight 0.
	Inhibited bool
	// Watched: workers note for TakeEvidence which clients it answers and which it fails.
	Watched bool
}

// FullShare is the RealServer.Share of a real server whose slow start is about to end.
const FullShare = sched.FullShare

// ID returns the service's identity.
func (s *Service) ID() lvs.ServiceID {
	switch {
	case s.Mark != 0:
		return lvs.IDOfMark(s.Mark, s.Address.Addr().Is6())
	case len(s.Matches) > 0:
		return lvs.IDOf(s.Matches[0])
	}
	return lvs.ServiceID{Protocol: s.Protocol, Address: s.Address}
}

// limitsSources reports whether the service limits its sources.
func (s *Service) limitsSources() bool {
	return s.MaxSessionsPerSource != 0 || s.MaxRatePerSource != 0
}

// modeOf returns the mode of new sessions with a real server of the service.
func (s *Service) modeOf(rs *RealServer) lvs.Mode { return rs.Mode.Or(s.Mode) }

// modes returns the modes of the service's real servers, or its own if it has none.
func (s *Service) modes() []lvs.Mode {
	if len(s.RealServers) == 0 {
		return []lvs.Mode{s.Mode}
	}
	all := make([]lvs.Mode, 0, lvs.NumModes)
	for i := range s.RealServers {
		if mode := s.modeOf(&s.RealServers[i]); !slices.Contains(all, mode) {
			all = append(all, mode)
		}
	}
	return all
}

// owner returns the rule by which workers own the flows of the service. All of its real servers
// have one rule, since a flow has an owner before it has a real server. Where answers are to find
// the client's worker, the client's end decides.
func (s *Service) owner() lvs.Owner {
	byClient := func(m lvs.Mode) bool { return m.Owner() == lvs.ClientEnd }
	if slices.ContainsFunc(s.modes(), byClient) {
		return lvs.ClientEnd
	}
	return lvs.Receiver
}

// answers returns which answers of the service's real servers pass the director.
func (s *Service) answers() answers {
	oneWay := func(m lvs.Mode) bool { return !m.TwoWay() }
	return answers{
		pass:    slices.ContainsFunc(s.modes(), lvs.Mode.TwoWay),
		allPass: !slices.ContainsFunc(s.modes(), oneWay),
	}
}

// answers says which answers of a service's real servers pass the director: those of one of them,
// or of all.
type answers struct{ pass, allPass bool }

// equal reports whether two services are the same in every setting.
func (s *Service) equal(o *Service) bool {
	return s.sameSilence(o) && s.sameSettings(o) && slices.Equal(s.RealServers, o.RealServers)
}

// sameSilence reports whether two services want the same VIPs announced.
func (s *Service) sameSilence(o *Service) bool {
	return s.Silent == o.Silent && slices.Equal(s.SilentAt, o.SilentAt)
}

// sameSettings is equal without the real servers, and without Silent and SilentAt, which concern
// only the VIPs.
func (s *Service) sameSettings(o *Service) bool {
	return s.Name == o.Name && s.Address == o.Address && s.Protocol == o.Protocol &&
		s.Mark == o.Mark && slices.Equal(s.Matches, o.Matches) &&
		s.Mode == o.Mode && s.Scheduler == o.Scheduler &&
		s.SchedulerFlags == o.SchedulerFlags && s.MSS == o.MSS && s.Echo == o.Echo &&
		s.MaxSessions == o.MaxSessions && s.MaxRate == o.MaxRate &&
		s.MaxSessionsPerSource == o.MaxSessionsPerSource &&
		s.MaxRatePerSource == o.MaxRatePerSource &&
		s.Timeouts == o.Timeouts && s.Refuse == o.Refuse && s.Persistence == o.Persistence &&
		s.PersistenceMask == o.PersistenceMask && s.PersistenceEngine == o.PersistenceEngine &&
		s.OnePacket == o.OnePacket && slices.Equal(s.LocalAddresses, o.LocalAddresses)
}

// sameEntry reports whether two services look the same to workers, apart from their real servers.
func (s *Service) sameEntry(o *Service) bool {
	sameMode := func(a, b RealServer) bool { return a.Mode == b.Mode }
	return s.sameSettings(o) && (slices.EqualFunc(s.RealServers, o.RealServers, sameMode) ||
		s.owner() == o.owner() && s.answers() == o.answers())
}

// sameOptions reports whether two settings have the same switches and timeouts.
func (s *Settings) sameOptions(o *Settings) bool {
	return s.SloppyTCP == o.SloppyTCP && s.ExpireNoDest == o.ExpireNoDest &&
		s.ExpireQuiescent == o.ExpireQuiescent &&
		s.ResetUnknown == o.ResetUnknown && s.RouteUnmatched == o.RouteUnmatched &&
		s.Announcements == o.Announcements && s.Timeouts == o.Timeouts &&
		s.SloppySCTP == o.SloppySCTP && s.ConnReuseMode == o.ConnReuseMode &&
		s.NATICMPSend == o.NATICMPSend && s.PMTUDisc == o.PMTUDisc &&
		s.ScheduleICMP == o.ScheduleICMP && s.Defences == o.Defences
}
