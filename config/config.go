package config

import (
	"log/slog"
	"net"
	"net/netip"
	"time"

	"fulcrum/lvs"
)

// Config is a whole configuration file: checked, and complete with defaults.
type Config struct {
	File       string // name of the file, as given
	Director   Director
	Control    Control
	Metrics    Metrics
	DPDK       DPDK
	Ports      []Port
	Routes     []Route
	Neighbours []Neighbour
	Session    Session
	Services   []Service // in file order, which is the order of scheduling
}

// Idle says what a worker does when its queues are empty.
type Idle string

// The ways to be idle.
const (
	IdleBusy     Idle = "busy"     // poll on, at full CPU
	IdleAdaptive Idle = "adaptive" // back off to short sleeps
)

// Director configures the process.
type Director struct {
	Workers []int // CPUs, one worker each
	Idle    Idle
	Control string // path of the control API's unix socket
	Log     slog.Level
}

// Control configures the control API over TCP, which is besides its socket.
type Control struct {
	Listen      netip.AddrPort // invalid for none
	Certificate string         // file with the certificate and those up to its root, PEM
	Key         string         // file with its private key, PEM
	TokenFile   string         // file with the token that clients must show
}

// Metrics configures what Prometheus reads.
type Metrics struct {
	Listen netip.AddrPort // of the HTTP server; invalid for none
}

// The values of DPDK.Hugepages.
const (
	HugePagesAuto = "auto" // if there are any
	HugePagesOn   = "on"
	HugePagesOff  = "off"
)

// DPDK configures the environment abstraction layer (EAL).
type DPDK struct {
	Hugepages string   // HugePagesAuto, HugePagesOn or HugePagesOff
	Memory    int64    // bytes, a multiple of 1 MiB
	Args      []string // further EAL arguments, as they are
}

// Port is one DPDK device, or what is in one VLAN of it.
type Port struct {
	Name          string
	Device        string         // vdev string or PCI address; the same for all ports of a device
	Addresses     []netip.Prefix // the director's own, each with the length of its subnet's prefix
	RxDescriptors int            // per queue, a power of two
	TxDescriptors int            // per queue, a power of two
	MTU           int            // bytes of layer 3
	VLAN          int            // VLAN id, 0 for untagged
}

// Route leads to a destination that is not on a port's subnet.
type Route struct {
	To   netip.Prefix // masked
	Via  netip.Addr   // the gateway
	Port int          // index into Config.Ports: the port whose subnet holds Via
}

// Neighbour is a static ARP or ND entry.
type Neighbour struct {
	Address netip.Addr
	MAC     net.HardwareAddr // 6 bytes, unicast
	Port    int              // index into Config.Ports: the port whose subnet holds Address
}

// Session configures the session tables.
type Session struct {
	Max             int  // IPv4 sessions of the whole director
	MaxV6           int  // IPv6 sessions of the whole director; 0 where the file has none to make
	SloppyTCP       bool // any TCP packet but RST starts a session, not only SYN
	ExpireNoDest    bool // sessions end with their real server; SYNs leave one of weight 0
	ExpireQuiescent bool // the same for real servers of weight 0 under persistence
	Timeouts        Timeouts
}

// Timeouts says how long a session without packets lives, by its state. All are whole milliseconds.
type Timeouts [lvs.NumStates]time.Duration

// Service is one virtual service.
type Service struct {
	Name            string
	Address         netip.AddrPort // the VIP and its port
	Protocol        lvs.Protocol
	Mode            lvs.Mode
	Scheduler       lvs.Scheduler
	SchedulerFlags  []string
	Persistence     time.Duration // 0: none
	PersistenceMask int           // length of the prefix by which clients are grouped, in bits
	OnePacket       bool          // UDP: every datagram is scheduled on its own
	MSS             int           // TCP: bytes to which SYNs' maximum segment size is clamped, 0: not
	Echo            bool          // the director answers echo requests to the VIP; otherwise the real servers do
	LocalAddresses  []netip.Addr  // fullnat: the source addresses, expanded, in file order, without duplicates
	RealServers     []RealServer  // in file order
}

// ID returns what makes the service the same one in another configuration.
func (s *Service) ID() lvs.ServiceID {
	return lvs.ServiceID{Protocol: s.Protocol, Address: s.Address}
}

// ServerID returns what makes a real server of the service the same one in another configuration.
func (s *Service) ServerID(rs RealServer) lvs.RealServerID {
	return lvs.RealServerID{Service: s.ID(), Address: rs.Address}
}

// RealServer is one member of a service's pool.
type RealServer struct {
	Address        netip.AddrPort
	Weight         int // 0 drains
	UpperThreshold int // sessions at which it counts as overloaded, 0: never
	LowerThreshold int // sessions below which it is free again, 0: three quarters of UpperThreshold
}
