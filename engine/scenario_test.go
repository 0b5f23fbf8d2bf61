package engine

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"fulcrum/ports/memory"
)

// scenario is a director that a file of testdata/scenarios controls. docs/testing.md describes the
// language.
type scenario struct {
	*bed
	settings Settings
	local    []netip.AddrPort // local ends that fullnat chose, in order: L1, L2, ...
	before   tally
}

// tally holds the director's counters before a step.
type tally struct {
	drops                      [NumVerdicts]uint64
	held, consumed, handedOver uint64
}

// scenarioCommands are the blocks that need a director.
var scenarioCommands = map[string]func(*scenario, *datadriven.TestData) string{
	"apply":      (*scenario).reconfigure,
	"explain":    (*scenario).explain,
	"in":         (*scenario).in,
	"neighbours": (*scenario).listNeighbours,
	"services":   (*scenario).listServices,
	"sessions":   (*scenario).listSessions,
	"templates":  (*scenario).listTemplates,
	"wait":       (*scenario).pass,
	"weight":     (*scenario).weigh,
}

// TestScenarios plays testdata/scenarios. With -rewrite it records the director's output instead.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		var s *scenario
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "director" {
				if s != nil {
					s.close()
				}
				s = newScenario(t, d)
				return s.begin(d)
			}
			do, known := scenarioCommands[d.Cmd]
			switch {
			case !known:
				d.Fatalf(t, "unknown command %q", d.Cmd)
			case s == nil:
				d.Fatalf(t, "a scenario begins with director")
			}
			return do(s, d)
		})
	})
}

// newScenario starts the director that a block describes.
func newScenario(t *testing.T, d *datadriven.TestData) *scenario {
	top := scenarioSite
	if d.HasArg("one-arm") {
		top.ports, top.back = top.ports[:1], 0
	}
	cfg := directorConfig{ports: len(top.ports), resolve: d.HasArg("resolve")}
	settings := cfg.parse(t, d)
	workers := scenarioNumber(t, argument(d, "workers", "1"))
	sessions := scenarioNumber(t, argument(d, "sessions", "1000"))
	templates := scenarioNumber(t, argument(d, "templates", "0"))
	b := newSilentBed(t, top, settings, func(c *bedConfig) {
		c.workers, c.sessions, c.templates = workers, sessions, templates
	})
	return &scenario{bed: b, settings: settings}
}

// begin turns the director for the first time. It shows the announcements only to a scenario that
// asks for them.
func (s *scenario) begin(d *datadriven.TestData) string {
	s.turn()
	if !d.HasArg("announce") {
		s.announced()
	}
	return cmp.Or(s.changes(), "ok\n")
}

// in delivers packets, each with a turn of its own, and shows the results.
func (s *scenario) in(d *datadriven.TestData) string {
	number := s.portNumber(argument(d, "port", ""))
	queue := scenarioNumber(s, argument(d, "queue", "0"))
	var out strings.Builder
	for line := range strings.Lines(d.Input) {
		if !s.ports[number].Deliver(queue, s.frameOf(number, line)) {
			s.Fatal("the pool has no buffer for a frame")
		}
		s.turn()
		out.WriteString(s.happened())
	}
	return out.String()
}

// argument returns the value of an argument KEY=VALUE, or otherwise without one.
func argument(d *datadriven.TestData, key, otherwise string) string {
	for _, a := range d.CmdArgs {
		if a.Key == key && len(a.Vals) == 1 {
			return a.Vals[0]
		}
	}
	return otherwise
}

// portNames are the names of the ports in scenarios.
var portNames = []string{"front", "back"}

func (s *scenario) portNumber(name string) int {
	for i := range s.ports {
		if portNames[i] == name {
			return i
		}
	}
	s.Fatalf("there is no port %q", name)
	return 0
}

// pass lets time pass, and shows what is sent and dropped, and when. Timers that are due at the
// same time fire in the order of the director's tables, so their lines are sorted.
func (s *scenario) pass(d *datadriven.TestData) string {
	const step = 100
	left := scenarioDuration(s.TB, d.CmdArgs[0].Key).Milliseconds()
	var out strings.Builder
	for passed := int64(step); passed <= left; passed += step {
		s.wait(step)
		lines := slices.Sorted(strings.Lines(s.changes()))
		for _, line := range lines {
			fmt.Fprintf(&out, "%v: %s", time.Duration(passed)*time.Millisecond, line)
		}
	}
	if out.Len() == 0 {
		return "silence\n"
	}
	return out.String()
}

func scenarioDuration(t testing.TB, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// reconfigure applies another configuration, which the block describes as a whole.
func (s *scenario) reconfigure(d *datadriven.TestData) string {
	cfg := directorConfig{ports: len(s.ports), resolve: d.HasArg("resolve")}
	s.settings = cfg.parse(s.TB, d)
	s.apply(s.settings)
	return cmp.Or(s.changes(), "ok\n")
}

// weigh gives a real server of a service another weight.
func (s *scenario) weigh(d *datadriven.TestData) string {
	if len(d.CmdArgs) != 3 {
		s.Fatalf("%s: weight SERVICE REAL-SERVER WEIGHT", d.Pos)
	}
	s.settings = cloneSettings(s.settings)
	rs := s.realServer(d.CmdArgs[0].Key, d.CmdArgs[1].Key)
	rs.Weight = int32(scenarioNumber(s, d.CmdArgs[2].Key))
	s.apply(s.settings)
	return cmp.Or(s.changes(), "ok\n")
}

// realServer finds a real server of a service in the settings.
func (s *scenario) realServer(service, address string) *RealServer {
	for i := range s.settings.Services {
		v := &s.settings.Services[i]
		for j := range v.RealServers {
			if v.Name == service && v.RealServers[j].Address.String() == address {
				return &v.RealServers[j]
			}
		}
	}
	s.Fatalf("service %s has no real server %s", service, address)
	return nil
}

// happened shows the results of a step, also if there were none.
func (s *scenario) happened() string {
	consumed := s.before.consumed
	text := s.changes()
	switch {
	case text != "":
		return text
	case s.before.consumed > consumed:
		return "consumed\n"
	}
	return "nothing\n"
}

// changes shows what was sent, dropped, held and handed over since the last call.
func (s *scenario) changes() string {
	var out strings.Builder
	for i, p := range s.ports {
		s.showSent(&out, i, p)
	}
	now := s.count()
	for v := range now.drops {
		times(&out, "dropped "+Verdict(v).String(), now.drops[v]-s.before.drops[v])
	}
	times(&out, "handed over", now.handedOver-s.before.handedOver)
	if now.held != s.before.held {
		fmt.Fprintf(&out, "waiting: %d\n", now.held)
	}
	s.before = now
	return out.String()
}

func (s *scenario) showSent(out *strings.Builder, number int, p *memory.Port) {
	for _, f := range collect(p) {
		fmt.Fprintf(out, "%s < %s\n", portNames[number], s.read(number, f))
	}
}

// times writes what happened n times.
func times(out *strings.Builder, what string, n uint64) {
	switch {
	case n == 1:
		fmt.Fprintln(out, what)
	case n > 1:
		fmt.Fprintf(out, "%s x%d\n", what, n)
	}
}

func (s *scenario) count() tally {
	t := s.totals()
	return tally{drops: t.Drops, held: t.Held, consumed: t.Consumed, handedOver: s.handedOver()}
}

// localName returns the name of a local address and port that the director chose; ok is false for
// any other.
func (s *scenario) localName(a netip.AddrPort) (name string, ok bool) {
	if !s.isLocal(a.Addr()) || a.Port() == 0 {
		return "", false
	}
	i := slices.Index(s.local, a)
	if i < 0 {
		i = len(s.local)
		s.local = append(s.local, a)
	}
	return fmt.Sprint("L", i+1), true
}

func (s *scenario) isLocal(a netip.Addr) bool {
	return slices.ContainsFunc(s.settings.Services, func(v Service) bool {
		return slices.Contains(v.LocalAddresses, a)
	})
}
