package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fulcrum/lvs"
)

const siteFile = `
[director]
workers = [0]
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24", "fd00::1/64"]
[[port]]
name = "back"
device = "net_null1"
addresses = ["10.1.0.1/24", "fd01::1/64"]
[[route]]
to = "0.0.0.0/0"
via = "10.0.0.254"
[[neighbour]]
address = "10.1.0.77"
mac = "02:00:00:00:00:77"
[[mark]]
number = 7
match = ["udp 10.0.0.110:53", "tcp 10.0.0.112/30:80", "tcp [fd00::110]:80"]
[[mark]]
number = 8
match = ["tcp 10.0.0.101:81"]
[session]
max = 1000
max_v6 = %d
[[service]]
name = "web"
address = "10.0.0.100:80"
protocol = "tcp"
mode = "fullnat"
local_addresses = ["10.1.0.50", "10.1.0.51"]
sorry_servers = ["10.1.0.17:80"]
  [[service.real_server]]
  address = "10.1.0.11:80"
`

func siteConfig(t interface{ Fatal(...any) }, maxV6 int) *Config {
	c, err := parse("f", fmt.Sprintf(siteFile, maxV6), onCPUs(0, 1))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// drawService draws a service from so few addresses that services often conflict.
func drawService(t *rapid.T, four bool) Service {
	vips := []string{
		"10.0.0.100:80", "10.0.0.100:81", "10.0.0.101:80", "10.1.0.11:80",
		"10.0.0.1:80", "10.0.0.254:80", "10.0.0.255:80", "10.1.0.77:80",
	}
	servers := []string{
		"10.1.0.11:80", "10.1.0.12:80", "10.1.0.12:81", "10.1.0.50:80",
		"10.0.0.100:80", "192.0.2.1:80", "10.1.0.255:80", "10.0.0.12:80", "10.1.0.11:0",
		"10.1.0.12:0", "10.0.0.113:80", "10.1.0.17:80",
	}
	locals := []string{"10.1.0.50", "10.1.0.51", "10.1.0.11", "10.0.0.100", "192.0.2.9", "10.1.0.1"}
	if !four {
		vips, servers = append(vips, "[fd00::100]:80"), append(servers, "[fd01::11]:80")
		locals = append(locals, "fd01::50")
	}
	s := Service{
		Name:            rapid.SampledFrom([]string{"web", "mail", "dns", ""}).Draw(t, "name"),
		Address:         netip.MustParseAddrPort(rapid.SampledFrom(vips).Draw(t, "vip")),
		Protocol:        rapid.SampledFrom(lvs.Protocols()).Draw(t, "protocol"),
		Mode:            rapid.SampledFrom(lvs.Modes()).Draw(t, "mode"),
		Scheduler:       rapid.SampledFrom([]lvs.Scheduler{lvs.RR, lvs.MH}).Draw(t, "scheduler"),
		Persistence:     rapid.SampledFrom([]time.Duration{0, time.Minute, -1}).Draw(t, "persistence"),
		PersistenceMask: rapid.SampledFrom([]int{0, 24, 32, 64, 129}).Draw(t, "mask"), Echo: rapid.Bool().Draw(t, "echo"),
		PersistenceEngine: rapid.SampledFrom([]lvs.PersistenceEngine{0, lvs.EngineSIP}).Draw(t, "engine"),
		MSS:               rapid.SampledFrom([]int{0, 0, 0, 1200, 1}).Draw(t, "mss"),
		MaxSessions:       rapid.SampledFrom([]int{0, 0, 5}).Draw(t, "max_sessions"),
		MaxRate:           rapid.SampledFrom([]int{0, 0, 5, -1, 1e8}).Draw(t, "max_rate"),
		SlowStart: rapid.SampledFrom([]time.Duration{0, 0, time.Second, 2 * time.Hour}).
			Draw(t, "slow start"),
		MaxSessionsPerSource: rapid.SampledFrom([]int{0, 0, 5, -1}).
			Draw(t, "max_sessions_per_source"),
		MaxRatePerSource: rapid.SampledFrom([]int{0, 0, 5, 1e8}).Draw(t, "max_rate_per_source"),
		Refuse:           rapid.SampledFrom(lvs.Refusals()).Draw(t, "refuse"),
		Announce:         Announce(rapid.IntRange(0, 2).Draw(t, "announce")),
		OnePacket:        rapid.IntRange(0, 3).Draw(t, "one packet") == 0,
	}
	s.Timeouts[lvs.StateUDP] = rapid.SampledFrom([]time.Duration{0, 0, time.Second, 200 * time.Hour}).
		Draw(t, "udp")
	drawClaims(t, &s, four)
	for range rapid.IntRange(0, 3).Draw(t, "servers") {
		s.RealServers = append(s.RealServers, drawServer(t, servers))
	}
	if slices.Contains(s.Modes(), lvs.FullNAT) || rapid.IntRange(0, 9).Draw(t, "wrong locals") == 0 {
		for range rapid.IntRange(0, 2).Draw(t, "locals") {
			a := netip.MustParseAddr(rapid.SampledFrom(locals).Draw(t, "local"))
			if !slices.Contains(s.LocalAddresses, a) {
				s.LocalAddresses = append(s.LocalAddresses, a)
			}
		}
	}
	return s
}

// drawClaims may give a service a mark or several matches in place of its address.
func drawClaims(t *rapid.T, s *Service, four bool) {
	switch rapid.IntRange(0, 3).Draw(t, "claims") {
	case 0:
		s.Mark = rapid.SampledFrom([]uint32{7, 7, 8, 9}).Draw(t, "mark")
		is6 := !four && rapid.IntRange(0, 3).Draw(t, "family") == 0
		s.Address, s.Protocol = lvs.IDOfMark(s.Mark, is6).Address, 0
		s.PersistenceMask = 32
	case 1:
		drawMatches(t, s, four)
	}
}

func drawMatches(t *rapid.T, s *Service, four bool) {
	texts := []string{
		"10.0.0.100:80", "10.0.0.101:81", "10.0.0.100:80-90", "10.0.0.96/29:80", "10.0.0.110:53",
		"10.0.0.112/30:80", "10.1.0.8/29:*", "10.1.0.64/28:80", "10.0.0.240-10.0.0.254:80",
		"10.0.0.1:80-90", "10.1.0.48/29:80", "10.0.0.0/24:80", "10.0.0.255:80", "192.0.2.0/24:80",
		"10.0.0.104:80", "10.0.0.105:80", "10.0.0.105:443",
	}
	if !four {
		texts = append(texts, "[fd00::100]:80", "[fd01::8/125]:80", "[fd00:1::/64]:*")
	}
	var all []lvs.Match
	for range rapid.IntRange(1, 3).Draw(t, "matches") {
		m := parseMatch(t, rapid.SampledFrom(texts).Draw(t, "match"))
		m.Protocol = s.Protocol
		all = append(all, m)
	}
	s.setMatches(all)
}

func parseMatch(t interface{ Fatal(...any) }, text string) lvs.Match {
	m, err := lvs.ParseDestination(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func drawServer(t *rapid.T, addresses []string) RealServer {
	return RealServer{
		Address:        netip.MustParseAddrPort(rapid.SampledFrom(addresses).Draw(t, "server")),
		Mode:           drawOwnMode(t),
		Weight:         rapid.SampledFrom([]int{1, 1, 0, 65535, 65536, -1}).Draw(t, "weight"),
		UpperThreshold: rapid.SampledFrom([]int{0, 0, 10, -1}).Draw(t, "upper"),
		LowerThreshold: rapid.SampledFrom([]int{0, 0, 5, 11}).Draw(t, "lower"),
	}
}

// drawOwnMode draws the mode that a real server states, mostly none.
func drawOwnMode(t *rapid.T) lvs.OwnMode {
	if rapid.IntRange(0, 2).Draw(t, "states") > 0 {
		return lvs.AsService
	}
	return lvs.Own(rapid.SampledFrom(lvs.Modes()).Draw(t, "own mode"))
}

// TestSiteAgreesWithTheFile checks that Site accepts a change exactly if the whole configuration is
// accepted as a file.
func TestSiteAgreesWithTheFile(t *testing.T) {
	taken, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		c := siteConfig(t, rapid.SampledFrom([]int{0, 10}).Draw(t, "max_v6"))
		four := c.Session.MaxV6 == 0
		site := NewSite(c)
		for range 16 {
			old, next, changed := drawChange(t, c, four)
			_, want := parse("f", changed.Render(), onCPUs(0, 1))
			got := site.Change(old, next)
			if (got == nil) != (want == nil) {
				t.Fatalf("the change says\n%v\nthe file says\n%v\n%s", got, want, changed.Render())
			}
			if got == nil {
				c, taken = changed, taken+1
			} else {
				refused++
			}
		}
	})
	if 20*min(taken, refused) < taken+refused { // the number of changes depends on -short
		t.Errorf("%d taken, %d refused: too few to tell", taken, refused)
	}
}

// drawChange draws a service to add, to change or to remove, and returns the configuration with it.
func drawChange(t *rapid.T, c *Config, four bool) (old, next *Service, changed *Config) {
	changed = c.Clone()
	n := drawService(t, four)
	if len(c.Services) == 0 || rapid.IntRange(0, 2).Draw(t, "add") == 0 {
		changed.Services = append(changed.Services, n)
		return nil, &n, changed
	}
	i := rapid.IntRange(0, len(c.Services)-1).Draw(t, "which")
	was := c.Services[i]
	if rapid.IntRange(0, 5).Draw(t, "remove") == 0 {
		changed.Services = slices.Delete(changed.Services, i, i+1)
		return &was, nil, changed
	}
	is := was
	is.RealServers = slices.Clone(was.RealServers)
	switch rapid.IntRange(0, 6).Draw(t, "what") {
	case 6:
		if first := c.Claims(&is); is.Mark == 0 && len(first) > 0 { // the first is its identity
			drawMatches(t, &is, four)
			is.setMatches(append(first[:1:1], c.Claims(&is)...))
		}
	case 0:
		is.Name, is.OnePacket = n.Name, n.OnePacket
	case 1:
		is.MSS, is.Echo, is.MaxSessions, is.Announce = n.MSS, n.Echo, n.MaxSessions, n.Announce
		is.Timeouts, is.Refuse, is.MaxRate = n.Timeouts, n.Refuse, n.MaxRate
		is.SlowStart = n.SlowStart
		is.MaxSessionsPerSource, is.MaxRatePerSource = n.MaxSessionsPerSource, n.MaxRatePerSource
	case 2:
		is.LocalAddresses = n.LocalAddresses
	case 3:
		is.Mode = n.Mode
	case 4:
		for i := range is.RealServers {
			is.RealServers[i].Mode = drawOwnMode(t)
		}
	default:
		is.RealServers = append(is.RealServers, n.RealServers...)
	}
	changed.Services[i] = is
	return &was, &is, changed
}

// TestSiteSaysWhatIsWrong checks the texts of problems.
func TestSiteSaysWhatIsWrong(t *testing.T) {
	c := siteConfig(t, 0)
	web := c.Services[0]
	for _, tt := range []struct {
		change func(*Service)
		want   string
	}{
		{func(s *Service) { s.RealServers[0].Weight = 70000 }, "request:1: service.real_server.weight: 70000 is out of range"},
		{func(s *Service) { s.RealServers = append(s.RealServers, s.RealServers[0]) }, "service.real_server.address: 10.1.0.11:80 is already a real server of this service"},
		{func(s *Service) { s.RealServers[0].Address = netip.MustParseAddrPort("10.0.0.100:80") }, `10.0.0.100 belongs to the director: the VIP of service "web"`},
		{func(s *Service) { s.RealServers[0].Address = netip.MustParseAddrPort("10.1.0.51:80") }, `10.1.0.51 is in use: a local address of service "web"`},
		{func(s *Service) {
			s.Addresses = []lvs.Match{parseMatch(t, "10.0.0.100:80"), parseMatch(t, "10.1.0.8/29:*")}
		}, `10.1.0.11 belongs to the director: a VIP of service "web"`},
		{func(s *Service) { s.LocalAddresses = nil }, "service.local_addresses: is missing"},
	} {
		next := web
		next.RealServers = slices.Clone(web.RealServers)
		tt.change(&next)
		if err := NewSite(c).Change(&web, &next); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}
