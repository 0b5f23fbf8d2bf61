package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fulcrum/lvs"
)

// changes makes random changes of a configuration, as administrators do, and remembers the
// services and real servers that it has ever removed.
type changes struct {
	*Config
	removed map[any]bool
}

func (c *changes) draw(t *rapid.T) {
	i := rapid.IntRange(0, len(c.Services)).Draw(t, "service")
	if i == len(c.Services) {
		c.director(t)
		return
	}
	switch s := &c.Services[i]; rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		c.service(t, s)
	case 1:
		c.addServer(t, s)
	case 2:
		c.server(t, s)
	case 3:
		c.addService(t)
	case 4:
		c.removed[s.ID()] = true
		c.Services = slices.Delete(c.Services, i, i+1)
	}
}

// director changes settings of the director, or adds a service.
func (c *changes) director(t *rapid.T) {
	switch rapid.IntRange(0, 6).Draw(t, "setting") {
	case 0:
		c.Director.Announce = rapid.Bool().Draw(t, "announce")
	case 1:
		c.Director.Log = rapid.SampledFrom([]slog.Level{slog.LevelInfo, slog.LevelWarn}).Draw(t, "log")
	case 2:
		c.Session.Max = rapid.IntRange(1000, 1010).Draw(t, "max")
	case 3:
		udp := rapid.IntRange(1, 3).Draw(t, "udp")
		c.Session.Timeouts[lvs.StateUDP] = time.Duration(udp) * 100 * time.Second
	case 4:
		c.Ports[0].MTU = rapid.IntRange(1498, 1500).Draw(t, "mtu")
	case 5:
		c.DPDK.Memory = rapid.Int64Range(511, 513).Draw(t, "memory") * mib
	default:
		c.addService(t)
	}
}

func (c *changes) service(t *rapid.T, s *Service) {
	s.Scheduler = rapid.SampledFrom(lvs.Schedulers()).Draw(t, "scheduler")
	s.Announce = Announce(rapid.IntRange(0, 2).Draw(t, "announce"))
	if s.SlowStart = 0; s.Scheduler.SlowStarts() {
		s.SlowStart = time.Duration(rapid.IntRange(0, 2).Draw(t, "slow start")) * time.Second
	}
	s.MaxRate = rapid.IntRange(0, 2).Draw(t, "rate")
	s.MaxSessionsPerSource = rapid.IntRange(0, 2).Draw(t, "sessions of a source")
	s.MaxRatePerSource = rapid.IntRange(0, 2).Draw(t, "rate of a source")
	s.Refuse = rapid.SampledFrom(lvs.Refusals()).Draw(t, "refuse")
	s.MaxSessions = rapid.IntRange(0, 2).Draw(t, "sessions")
	if udp := rapid.IntRange(0, 2).Draw(t, "own udp"); udp > 0 { // none goes: nor do its comments
		s.Timeouts[lvs.StateUDP] = time.Duration(udp) * time.Second
	}
	if s.Mode == lvs.FullNAT {
		s.LocalAddresses = nil
		first := netip.MustParseAddr("10.1.0.150")
		for range rapid.IntRange(1, 5).Draw(t, "locals") {
			s.LocalAddresses = append(s.LocalAddresses, first)
			first = first.Next()
		}
	}
}

func (c *changes) addServer(t *rapid.T, s *Service) {
	text := fmt.Sprintf("10.1.0.%d:80", rapid.IntRange(11, 16).Draw(t, "server"))
	server(s, text).Weight = rapid.IntRange(0, 2).Draw(t, "weight")
}

func (c *changes) server(t *rapid.T, s *Service) {
	if len(s.RealServers) == 0 {
		return
	}
	i := rapid.IntRange(0, len(s.RealServers)-1).Draw(t, "index")
	if rapid.Bool().Draw(t, "remove") {
		c.removed[s.ServerID(s.RealServers[i])] = true
		s.RealServers = slices.Delete(s.RealServers, i, i+1)
		return
	}
	s.RealServers[i].Weight = rapid.IntRange(0, 20).Draw(t, "weight")
	s.RealServers[i].UpperThreshold = rapid.IntRange(0, 1).Draw(t, "upper")
	s.RealServers[i].Mode = lvs.OwnMode(rapid.IntRange(0, 2).Draw(t, "mode"))
}

func (c *changes) addService(t *rapid.T) {
	address := fmt.Sprintf("10.0.0.%d:80", rapid.IntRange(100, 107).Draw(t, "vip"))
	s := Service{
		Name: "s-" + strings.ReplaceAll(address, ":", "-"), Address: netip.MustParseAddrPort(address),
		Protocol: lvs.TCP, Mode: rapid.SampledFrom([]lvs.Mode{lvs.NAT, lvs.FullNAT}).Draw(t, "mode"),
		Scheduler: lvs.DefaultScheduler, PersistenceMask: 32, Echo: true,
	}
	if slices.ContainsFunc(c.Services, func(other Service) bool { return other.ID() == s.ID() }) {
		return
	}
	c.service(t, &s)
	c.addServer(t, &s)
	c.Services = append(c.Services, s)
}

// remark is a comment of a text, and what it is about: a service, a real server, or nothing that
// can be removed.
type remark struct {
	text          string
	service, real any
}

// decorator writes remarks into a text.
type decorator struct {
	*Config
	service, real int // that the text is at, or -1
	remarks       []remark
}

// remark returns the text of a new one. A detached one is about the tables around those that it
// stands between.
func (d *decorator) remark(line string, detached bool) string {
	r := remark{text: fmt.Sprintf("# %d = \"[[service]]", len(d.remarks))}
	header := strings.TrimSpace(line)
	if d.service >= 0 && !(detached && header == "[[service]]") {
		r.service = d.Services[d.service].ID()
	}
	if d.real >= 0 && !(detached && strings.HasPrefix(header, "[[")) {
		r.real = d.Services[d.service].ServerID(d.Services[d.service].RealServers[d.real])
	}
	d.remarks = append(d.remarks, r)
	return r.text
}

// enter follows the headers.
func (d *decorator) enter(line string) {
	switch strings.TrimSpace(line) {
	case "[[service]]":
		d.service, d.real = d.service+1, -1
	case "[[service.real_server]]":
		d.real++
	}
}

// mayGo reports whether a change may remove the key of a line.
func (d *decorator) mayGo(line string) bool {
	key := strings.Fields(line)[0]
	return key == "announce" || key == "mode" && d.real >= 0
}

// decorate returns the configuration as a text with random comments, indentation and empty lines.
// No comment stands behind announce and a real server's mode: these keys may be removed.
func decorate(t *rapid.T, c *Config) (text string, remarks []remark) {
	var out strings.Builder
	d := &decorator{Config: c, service: -1, real: -1}
	one := func(name string, of int) bool { return rapid.IntRange(1, of).Draw(t, name) == 1 }
	indent := strings.Repeat(" ", rapid.IntRange(0, 4).Draw(t, "indent"))
	for line := range strings.Lines(c.Render()) {
		if line == "\n" {
			if one("empty", 2) {
				out.WriteString(line)
			}
			continue
		}
		d.enter(line)
		if rest, ok := strings.CutPrefix(line, "  "); ok {
			line = indent + rest
		}
		if one("detached", 6) {
			fmt.Fprintf(&out, "\n%s\n\n", d.remark(line, true))
		}
		if one("above", 4) {
			fmt.Fprintf(&out, "%s\n", d.remark(line, false))
		}
		line = strings.TrimSuffix(line, "\n")
		if !d.mayGo(line) && one("behind", 4) {
			line += strings.Repeat(" ", rapid.IntRange(0, 3).Draw(t, "gap")) + d.remark(line, false)
		}
		fmt.Fprintln(&out, line)
	}
	return out.String(), d.remarks
}

// TestRewriteKeepsComments changes random files at random. The result must be what runs, and no
// comment is lost but of services and real servers that were removed, or removed and added again.
func TestRewriteKeepsComments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := &changes{siteConfig(t, 0).Clone(), map[any]bool{}}
		for range rapid.IntRange(0, 12).Draw(t, "before") {
			base.draw(t)
		}
		text, remarks := decorate(t, base.Config)
		next := &changes{base.Clone(), map[any]bool{}}
		next.Ports = slices.Clone(base.Ports)
		for range rapid.IntRange(0, 8).Draw(t, "after") {
			next.draw(t)
		}
		result, kept := rewrite("f", text, next.Config, onCPUs(0, 1))
		if !kept {
			t.Fatalf("rendered anew:\n%s\nof\n%s", result, text)
		}
		got, err := parse("f", result, onCPUs(0, 1))
		if err != nil || !alike(got, next.Config) || got.Render() != next.Render() {
			t.Fatalf("%v\n%s\nis another configuration than\n%s", err, result, next.Render())
		}
		for _, r := range remarks {
			if !next.removed[r.service] && !next.removed[r.real] && !strings.Contains(result, r.text) {
				t.Fatalf("%s is lost in\n%s\nof\n%s", r.text, result, text)
			}
		}
	})
}

// FuzzRewrite checks that Rewrite never panics, and that its result is the new configuration.
func FuzzRewrite(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		next, err := parse("f", text, onCPUs(0, 1))
		if err != nil {
			next = siteConfig(t, 0)
		}
		check(t, text, next)
		next = next.Clone()
		for i := range next.Services {
			s := &next.Services[i]
			s.MaxSessions ^= 1
			for j := range s.RealServers {
				s.RealServers[j].Weight ^= 1
			}
			s.RealServers = s.RealServers[:len(s.RealServers)/2]
		}
		if check(t, text, next); len(next.Services) > 1 {
			next.Services = append(next.Services[1:], next.Services[0])
			check(t, text, next)
		}
	})
}

func check(t *testing.T, text string, next *Config) {
	result, kept := rewrite("f", text, next, onCPUs(0, 1))
	got, err := parse("f", result, onCPUs(0, 1))
	if err != nil || !alike(got, next) {
		t.Fatalf("kept %v: %v\n%q\nof\n%q", kept, err, result, text)
	}
}
