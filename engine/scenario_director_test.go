package engine

import (
	"fulcrum/lvs"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"fulcrum/conntrack"
	"fulcrum/packet"
)

// scenarioSite has a port to clients, which are far away behind 10.0.0.254 and fd00::fe, and one to
// real servers. With one arm there is only the first.
var scenarioSite = site{
	name: "scenario",
	ports: []host{
		{netip.MustParseAddr("10.0.0.1"), stationMAC(netip.MustParseAddr("10.0.0.1"))},
		{netip.MustParseAddr("10.1.0.1"), stationMAC(netip.MustParseAddr("10.1.0.1"))},
	},
	back: 1,
}

// The subnets of a port, by its number, and their gateways.
var (
	subnets4  = []string{"10.0.0.1/24", "10.1.0.1/24"}
	subnets6  = []string{"fd00::1/64", "fd01::1/64"}
	gateways4 = []string{"10.0.0.254", "10.1.0.254"}
	gateways6 = []string{"fd00::fe", "fd01::fe"}
)

// stationMAC returns the MAC of the station with an address. It contains family, subnet and number,
// so that frames can be shown by address.
func stationMAC(a netip.Addr) packet.MAC {
	b := a.As16()
	if a.Is4() {
		return packet.MAC{2, 0, 0, 4, b[13], b[15]}
	}
	return packet.MAC{2, 0, 0, 6, b[1], b[15]}
}

// stationOf is the reverse of stationMAC.
func stationOf(mac packet.MAC) (a netip.Addr, ok bool) {
	switch {
	case mac[0] == 2 && mac[3] == 4:
		return netip.AddrFrom4([4]byte{10, mac[4], 0, mac[5]}), true
	case mac[0] == 2 && mac[3] == 6:
		return netip.AddrFrom16([16]byte{0: 0xfd, 1: mac[4], 15: mac[5]}), true
	}
	return a, false
}

// portOf returns the port whose subnet contains an address.
func portOf(a netip.Addr, ports int) (port int, ok bool) {
	for i := range ports {
		for _, subnet := range []string{subnets4[i], subnets6[i]} {
			if netip.MustParsePrefix(subnet).Contains(a) {
				return i, true
			}
		}
	}
	return 0, false
}

// directorConfig reads the configuration of a scenario's director. Its lines are
//
//	service NAME PROTOCOL ADDRESS MODE SCHEDULER [mss=N] [echo] [silent] [FLAG...]
//	        [persistence=DURATION] [mask=N] [engine=sip] [one_packet]
//	ADDRESS [weight=N] [upper=N] [lower=N]     a real server of that service
//	local ADDRESS...                           its local addresses
//	timeout STATE=DURATION...
//	expire_nodest, expire_quiescent, sloppy_tcp, route_unmatched, reset_unknown off|two-way|all
//	sloppy_sctp, nat_icmp_send, schedule_icmp, pmtu_disc off, conn_reuse_mode N
type directorConfig struct {
	testing.TB
	ports    int
	resolve  bool // the director knows no neighbour at the start
	settings Settings
}

func (c *directorConfig) parse(t testing.TB, d *datadriven.TestData) Settings {
	c.TB = t
	c.settings = Settings{
		Timeouts: conntrack.DefaultTimeouts(), ConnReuseMode: 3, PMTUDisc: true,
	}
	for i := range c.ports {
		c.settings.Ports = append(c.settings.Ports, PortSettings{
			Addresses: []netip.Prefix{netip.MustParsePrefix(subnets4[i]), netip.MustParsePrefix(subnets6[i])},
		})
	}
	c.settings.Routes = []Route{
		{To: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr(gateways4[0])},
		{To: netip.MustParsePrefix("::/0"), Via: netip.MustParseAddr(gateways6[0])},
	}
	for line := range strings.Lines(d.Input) {
		c.line(d.Pos, strings.Fields(line))
	}
	if !c.resolve {
		c.knowNeighbours()
	}
	return c.settings
}

func (c *directorConfig) line(at string, words []string) {
	switch words[0] {
	case "service":
		c.service(at, words[1:])
	case "local":
		for _, a := range words[1:] {
			v := c.last(at)
			v.LocalAddresses = append(v.LocalAddresses, netip.MustParseAddr(a))
		}
	case "timeout":
		for _, word := range words[1:] {
			c.timeout(at, word)
		}
	case "expire_nodest":
		c.settings.ExpireNoDest = true
	case "expire_quiescent":
		c.settings.ExpireQuiescent = true
	case "route_unmatched":
		c.settings.RouteUnmatched = true
	case "sloppy_tcp":
		c.settings.SloppyTCP = true
	case "sloppy_sctp":
		c.settings.SloppySCTP = true
	case "nat_icmp_send":
		c.settings.NATICMPSend = true
	case "schedule_icmp":
		c.settings.ScheduleICMP = true
	case "pmtu_disc":
		c.settings.PMTUDisc = words[1] != "off"
	case "conn_reuse_mode":
		c.settings.ConnReuseMode = uint8(scenarioNumber(c, words[1]))
	case "secure_tcp":
		c.settings.SecureTCP = map[string]Defence{"auto": DefenceAuto, "on": DefenceOn}[words[1]]
	case "reset_unknown":
		c.settings.ResetUnknown = map[string]ResetUnknown{
			"off": ResetOff, "two-way": ResetTwoWay, "all": ResetAll,
		}[words[1]]
	default:
		c.realServer(at, words)
	}
}

func (c *directorConfig) last(at string) *Service {
	if len(c.settings.Services) == 0 {
		c.Fatalf("%s: a service comes first", at)
	}
	return &c.settings.Services[len(c.settings.Services)-1]
}

func (c *directorConfig) service(at string, words []string) {
	if len(words) < 5 {
		c.Fatalf("%s: service NAME PROTOCOL ADDRESS MODE SCHEDULER", at)
	}
	v := Service{Name: words[0], Address: netip.MustParseAddrPort(words[2])}
	v.PersistenceMask = v.Address.Addr().BitLen()
	var known [3]bool
	v.Protocol, known[0] = lvs.ParseProtocol(words[1])
	v.Mode, known[1] = lvs.ParseMode(words[3])
	v.Scheduler, known[2] = lvs.ParseScheduler(words[4])
	if known != [3]bool{true, true, true} {
		c.Fatalf("%s: unknown protocol, mode or scheduler in %v", at, words)
	}
	for _, word := range words[5:] {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "mss":
			v.MSS = uint16(scenarioNumber(c, value))
		case "persistence":
			v.Persistence = scenarioDuration(c, value)
		case "mask":
			v.PersistenceMask = scenarioNumber(c, value)
		case "engine":
			v.PersistenceEngine, _ = lvs.ParsePersistenceEngine(value)
		case "echo":
			v.Echo = true
		case "silent":
			v.Silent = true
		case "one_packet":
			v.OnePacket = true
		default:
			of, flag, ok := lvs.ParseSchedulerFlag(word)
			if !ok || of != v.Scheduler {
				c.Fatalf("%s: unknown option %q", at, word)
			}
			v.SchedulerFlags |= flag
		}
	}
	c.settings.Services = append(c.settings.Services, v)
}

func (c *directorConfig) realServer(at string, words []string) {
	address, err := netip.ParseAddrPort(words[0])
	if err != nil {
		c.Fatalf("%s: unknown line %q", at, words)
	}
	rs := RealServer{Address: address, Weight: 1}
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		number, known := map[string]*int32{
			"weight": &rs.Weight, "upper": &rs.UpperThreshold, "lower": &rs.LowerThreshold,
		}[key]
		if !known {
			c.Fatalf("%s: unknown option %q", at, word)
		}
		*number = int32(scenarioNumber(c, value))
	}
	v := c.last(at)
	v.RealServers = append(v.RealServers, rs)
}

func (c *directorConfig) timeout(at, word string) {
	name, value, _ := strings.Cut(word, "=")
	for state := range conntrack.NumStates {
		if strings.EqualFold(state.String(), name) {
			c.settings.Timeouts.Set(state, scenarioDuration(c, value))
			return
		}
	}
	c.Fatalf("%s: unknown state %q", at, name)
}

// knowNeighbours makes the gateways, a client on their subnet and all real servers static
// neighbours.
func (c *directorConfig) knowNeighbours() {
	known := []netip.Addr{
		netip.MustParseAddr(gateways4[0]), netip.MustParseAddr(gateways6[0]),
		netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("fd00::9"),
	}
	for i := range c.settings.Services {
		for _, rs := range c.settings.Services[i].RealServers {
			known = append(known, rs.Address.Addr())
		}
	}
	all := &c.settings.Neighbours
	for i, a := range known {
		if port, ok := portOf(a, c.ports); ok && !slices.Contains(known[:i], a) {
			*all = append(*all, StaticNeighbour{a, stationMAC(a), port})
		}
	}
}

func cloneSettings(s Settings) Settings {
	s.Services = slices.Clone(s.Services)
	for i := range s.Services {
		s.Services[i].RealServers = slices.Clone(s.Services[i].RealServers)
	}
	return s
}

func scenarioNumber(t testing.TB, text string) int {
	n, err := strconv.ParseInt(text, 0, 32)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}
