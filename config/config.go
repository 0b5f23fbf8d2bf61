package config

import (
	"cmp"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fulcrum/lvs"
)

// Config is a checked configuration with all defaults filled in. Load and Parse return it.
type Config struct {
	File       string // the name given to Load or Parse
	Text       string // the text that was read; empty if the configuration was not read
	Director   Director
	Control    Control
	Metrics    Metrics
	DPDK       DPDK
	Ports      []Port
	Routes     []Route
	Neighbours []Neighbour
	Session    Session
	Marks      []Mark
	Services   []Service // in file order, which is the scheduling order
}

// Idle is the behaviour of a worker whose queues are empty.
type Idle string

// The values of Director.Idle.
const (
	IdleBusy     Idle = "busy"     // keep polling, with 100 % CPU load
	IdleAdaptive Idle = "adaptive" // back off to short sleeps
)

// Director configures the director's process.
type Director struct {
	Workers []int // CPU numbers, one worker each
	Idle    Idle
	Control string     // absolute path of the control API's unix socket
	IPVS    string     // absolute path of the socket that speaks IPVS's dialect; empty: none
	State   string     // absolute path of the folder that keeps what is done live; empty: none
	Log     slog.Level // lowest level that is logged
	// ControlMode is the mode of both sockets, 0600 or 0660.
	ControlMode  fs.FileMode
	ControlGroup string // the group of both, by name or number; empty: the process's
	// Announce holds for the services that do not say it themselves: their VIPs are announced.
	Announce       bool
	AnnounceRepeat int // how often a new address is announced
}

// Control configures the control API over TCP. The unix socket serves the API in any case. All
// other fields are valid when Listen is.
type Control struct {
	Listen      netip.AddrPort // invalid if the API is not served over TCP
	Certificate string         // path of a PEM file with the certificate chain, up to its root
	Key         string         // path of a PEM file with the certificate's private key
	TokenFile   string         // path of a file with the token that clients must send
	// ReadTokenFile is the path of a file with the token of clients that only read; empty: no such
	// clients.
	ReadTokenFile string
}

// Metrics configures the HTTP server for Prometheus.
type Metrics struct {
	Listen netip.AddrPort // invalid if metrics are not served
}

// The values of DPDK.Hugepages.
const (
	HugePagesAuto = "auto" // use huge pages if the system has any
	HugePagesOn   = "on"   // require huge pages
	HugePagesOff  = "off"  // use ordinary pages
)

// DPDK configures the environment abstraction layer (EAL).
type DPDK struct {
	Hugepages string   // HugePagesAuto, HugePagesOn or HugePagesOff
	Memory    int64    // bytes, a multiple of 1 MiB
	Args      []string // further EAL arguments, passed on unchanged
}

// Port is one DPDK device, or one VLAN of it.
type Port struct {
	Name string
	// Device is a vdev string or a PCI address, and identical for all ports of a device. One that the
	// file gives as an interface alone is written out.
	Device        string
	Addresses     []netip.Prefix // the director's own, each with its prefix length (not masked)
	RxDescriptors int            // per queue, a power of two
	TxDescriptors int            // per queue, a power of two
	MTU           int            // bytes, without the Ethernet header
	VLAN          int            // VLAN id, 0 for untagged
	Guard         bool           // hide from the kernel what is the director's; Interface is not empty
	Host          string         // name of the host interface; empty: none
	Follow        bool           // the port has what the host interface has; Host is not empty
}

// Route is a route to a destination that is not on a port's subnet.
type Route struct {
	To   netip.Prefix // masked
	Via  netip.Addr   // the gateway
	Port int          // index into Config.Ports: the port that reaches Via directly
}

// Neighbour is a static ARP or ND entry.
type Neighbour struct {
	Address netip.Addr       // on the subnet of Port
	MAC     net.HardwareAddr // 6 bytes, unicast
	Port    int              // index into Config.Ports: the port that reaches Address directly
}

// ResetUnknown says which packets of no session the director answers by a TCP reset or an ICMP
// error.
type ResetUnknown string

// The choices of ResetUnknown.
const (
	ResetOff    ResetUnknown = "off"     // none
	ResetTwoWay ResetUnknown = "two-way" // to services whose answers pass, to VIPs without service
	ResetAll    ResetUnknown = "all"     // to services of every mode too
)

// Defence says when one of IPVS's defences against overload is active.
type Defence string

// The choices of Defence.
const (
	DefenceOff  Defence = "off"  // never
	DefenceAuto Defence = "auto" // while a session table is nearly full
	DefenceOn   Defence = "on"   // always
)

// Session configures the session tables.
type Session struct {
	Max            int  // IPv4 sessions of the whole director
	MaxV6          int  // IPv6 sessions of the whole director; 0 if no service needs any
	SloppyTCP      bool // any TCP packet except RST starts a session, not only SYN
	SloppySCTP     bool // any SCTP packet except ABORT starts a session, not only INIT
	ConnReuseMode  int  // IPVS's, 0 to 3: which sessions a SYN or an INIT ends
	NATICMPSend    bool // nat real servers are told of packets without a session
	PMTUDisc       bool // ipip does not fragment IPv4 packets with DF
	ScheduleICMP   bool // ICMP errors without a session go where the scheduler's hash says
	IgnoreTunneled bool // IPVS's; it has no effect
	// Keep is the absolute path of the folder whose files hold the sessions, so that they outlive the
	// process; empty: none do.
	Keep            string
	RouteUnmatched  bool // what nat real servers send on their own account is routed
	Templates       int  // persistence templates of the whole director
	ExpireNoDest    bool // sessions end with their real server; SYNs leave one of weight 0
	ResetUnknown    ResetUnknown
	ExpireQuiescent bool    // clients of persistent services leave a real server of weight 0
	DropEntry       Defence // some half-open and silent sessions end each second
	DropPacket      Defence // some packets that would begin sessions are dropped
	SecureTCP       Defence // TCP sessions go by the denial state table
	Timeouts        Timeouts
}

// Timeouts holds how long a session lives without packets, indexed by its state. All are whole
// milliseconds, from 1 ms to 7 days.
type Timeouts [lvs.NumStates]time.Duration

// OwnTimeouts holds the timeouts in which a service differs from Session.Timeouts, indexed by
// state. Zero is that of Session.Timeouts; the others are as there.
type OwnTimeouts [lvs.NumStates]time.Duration

// String lists the timeouts: "established 30s, udp 5s", or "none".
func (t OwnTimeouts) String() string {
	var all []string
	for _, state := range lvs.States() {
		if t[state] != 0 {
			all = append(all, state.Key()+" "+short(t[state]))
		}
	}
	return cmp.Or(strings.Join(all, ", "), "none")
}

// Service is one virtual service. Its ID is unique in a Config, and so is its name.
type Service struct {
	Name string // 1 to 63 letters, digits and . _ -
	// Address is the VIP and its port: the first ones if there are several Addresses. With a Mark it
	// is the unspecified address of the service's IP version, with port 0.
	Address        netip.AddrPort
	Addresses      []lvs.Match  // nil unless there are several addresses or ports
	Mark           uint32       // the number of a Mark; 0: none
	Protocol       lvs.Protocol // 0 with a Mark: that of each match
	Mode           lvs.Mode
	Scheduler      lvs.Scheduler
	SchedulerFlags lvs.SchedulerFlags
	// Persistence is how long a client stays with its real server after its last new session, in
	// whole milliseconds; 0 is not at all. PersistenceMask is the prefix length, in bits, of the
	// networks whose clients stay together: WholeMask, or less.
	Persistence     time.Duration
	PersistenceMask int
	// PersistenceEngine has each call of a network stay for itself: lvs.EngineSIP.
	PersistenceEngine lvs.PersistenceEngine
	OnePacket         bool // UDP: every datagram is scheduled alone, without a session
	MSS               int  // TCP: upper limit of the MSS of SYNs, in bytes; 0: none
	Echo              bool // the director answers pings to the VIP; otherwise real servers do
	MaxSessions       int  // in the whole director; 0: no limit
	MaxRate           int  // new sessions a second, in the whole director; 0: no limit
	// SlowStart is how long a real server that comes back or is new gets a part of its share only, in
	// whole milliseconds; 0 is not at all.
	SlowStart time.Duration
	Timeouts  OwnTimeouts // of its sessions
	Refuse    lvs.Refusal // what its clients hear when no real server is available
	Health    Health      // how its real servers are checked, unless they say otherwise
	// Panic is a percentage of the real servers: if fewer are up, all are used. 0: never.
	Panic int
	// Quorum is the sum of the weights of the real servers that must be up; 0 stands for 1. It is
	// lost below Quorum - QuorumHysteresis and regained at Quorum + QuorumHysteresis. Without it,
	// sessions go to SorryServers, if there are any. The programs are run when it comes and goes.
	Quorum, QuorumHysteresis int
	QuorumUp, QuorumDown     Words
	SorryServers             []netip.AddrPort

	Announce       Announce     // whether the service wants its VIP announced
	VIPOwner       VIPOwner     // who says whether the director holds the VIPs
	LocalAddresses []netip.Addr // fullnat only: source addresses in file order, without duplicates
	RealServers    []RealServer // in file order

	// MaxSessionsPerSource and MaxRatePerSource are as MaxSessions and MaxRate, for each source: an
	// IPv4 address, or the IPv6 addresses with the same first 64 bits.
	MaxSessionsPerSource, MaxRatePerSource int
}

// Announce says whether a service wants its VIP announced and answered for. A VIP that no
// service wants announced is passive: the director forwards packets to it without announcing it.
type Announce uint8

// The values of Service.Announce.
const (
	AsDirector Announce = iota // as Director.Announce says
	AnnounceOn
	AnnounceOff
)

// AnnounceOf returns the value for an announce key.
func AnnounceOf(on bool) Announce {
	if on {
		return AnnounceOn
	}
	return AnnounceOff
}

// String returns the value as in a file.
func (a Announce) String() string {
	return [...]string{AsDirector: "as the director", AnnounceOn: "true", AnnounceOff: "false"}[a]
}

// Announces reports whether a service wants its VIP announced.
func (d *Director) Announces(s *Service) bool {
	return s.Announce == AnnounceOn || s.Announce == AsDirector && d.Announce
}

// LinkLocal reports whether the route's gateway is known by its port and its address together.
func (r *Route) LinkLocal() bool { return isLinkLocal(r.Via) }

// LinkLocal reports whether the neighbour is known by its port and its address together.
func (n *Neighbour) LinkLocal() bool { return isLinkLocal(n.Address) }

// ID returns the identity of the service across configurations: its first match, or its mark and IP
// version.
func (s *Service) ID() lvs.ServiceID {
	switch {
	case s.Mark != 0:
		return lvs.IDOfMark(s.Mark, s.Address.Addr().Is6())
	case len(s.Addresses) > 0:
		return lvs.IDOf(s.Addresses[0])
	}
	return lvs.ServiceID{Protocol: s.Protocol, Address: s.Address}
}

// ServerID returns the identity of a real server of the service across configurations.
func (s *Service) ServerID(rs RealServer) lvs.RealServerID {
	return lvs.RealServerID{Service: s.ID(), Address: rs.Address}
}

// ModeOf returns the mode of a real server of the service.
func (s *Service) ModeOf(rs RealServer) lvs.Mode { return rs.Mode.Or(s.Mode) }

// Modes returns the modes of the service's real servers, each once, or its own if it has none.
func (s *Service) Modes() []lvs.Mode {
	if len(s.RealServers) == 0 {
		return []lvs.Mode{s.Mode}
	}
	var all []lvs.Mode
	for _, rs := range s.RealServers {
		if mode := s.ModeOf(rs); !slices.Contains(all, mode) {
			all = append(all, mode)
		}
	}
	return all
}

// HasLocals reports whether the service's mode, or that of a real server, has local addresses.
func (s *Service) HasLocals() bool {
	return hasLocals(s.Mode) || slices.ContainsFunc(s.RealServers, func(rs RealServer) bool {
		return hasLocals(s.ModeOf(rs))
	})
}

// DropUnusedLocals takes the service's local addresses away if none of its modes has any.
func (s *Service) DropUnusedLocals() {
	if !s.HasLocals() {
		s.LocalAddresses = nil
	}
}

// RealServer is one real server of a service. Its address is unique in the service.
type RealServer struct {
	Address        netip.AddrPort
	Mode           lvs.OwnMode // of new sessions
	Weight         int         // 0 to 65535; 0 drains: no new sessions
	UpperThreshold int         // number of sessions that makes it overloaded; 0: never
	LowerThreshold int         // number of sessions below which it recovers; 0: 3/4 of UpperThreshold
	Health         OwnHealth   // how it is checked; see Service.HealthOf
}
