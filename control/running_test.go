package control

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/ports/memory"
)

// tester is the common part of testing.T, testing.B and rapid.T.
type tester interface {
	Fatal(...any)
	Error(...any)
	Cleanup(func())
}

// newTestRunning returns the running configuration of an engine whose one worker does not run.
// Changes do not need it.
func newTestRunning(t tester, c *config.Config) *Running {
	pool, err := memory.NewPool(64)
	if err != nil {
		t.Fatal(err)
	}
	ec := EngineConfig(c)
	ec.CPUs = []int{0}
	for i, p := range c.Ports {
		ec.Ports = append(ec.Ports, ports.Port(memory.NewPort(memory.Config{
			Name: p.Name, Index: i, MAC: packet.MAC{2, 0, 0, 0, 0, byte(i)}, Pool: pool, Queues: 1,
		})))
	}
	e, err := engine.New(ec, EngineSettings(c))
	if err != nil {
		t.Fatal(err)
	}
	r := NewRunning(e, c)
	t.Cleanup(func() {
		r.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// TestEditsAreWhatAFileWouldBe makes any sequence of edits and rollbacks. After each, the engine
// runs the displayed configuration. A file with that content gives the same configuration, so that
// applying it changes nothing.
func TestEditsAreWhatAFileWouldBe(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newTestRunning(rt, parsePlanned(t, planned))
		var history []string
		for range rapid.IntRange(1, 20).Draw(rt, "edits") {
			before := r.Config().Render()
			plan, err := drawEdit(rt, r)
			switch {
			case err != nil || plan.Empty():
				if after := r.Config().Render(); after != before {
					rt.Fatalf("the edit changes nothing (%v), but\n%s\nbecame\n%s", err, before, after)
				}
			default:
				history = append(history, before)
			}
			if len(history) > maxUndo {
				history = history[1:]
			}
			if len(history) > 0 && rapid.IntRange(0, 3).Draw(rt, "rollback") == 0 {
				if _, err := r.Rollback(context.Background()); err != nil {
					rt.Fatal(err)
				}
				if after := r.Config().Render(); after != history[len(history)-1] {
					rt.Fatalf("went back to\n%s\nwant\n%s", after, history[len(history)-1])
				}
				history = history[:len(history)-1]
			}
			r.isConsistent(rt)
		}
	})
}

// drawEdit makes an edit as the API does, often an invalid one.
func drawEdit(t *rapid.T, r *Running) (Plan, error) {
	names := []string{"web", "dns", "mail", "new"}
	name := rapid.SampledFrom(names).Draw(t, "service")
	server := fmt.Sprintf("10.0.0.%d:8080", rapid.IntRange(11, 15).Draw(t, "server"))
	weight := rapid.IntRange(-1, 5).Draw(t, "weight")
	change := RealServerChange{Weight: &weight}
	switch rapid.IntRange(0, 8).Draw(t, "edit") {
	case 0:
		return r.AddRealServer(context.Background(), name, RealServerAddition{server, change})
	case 1, 2:
		return r.ChangeRealServer(context.Background(), ServerID{name, server}, change)
	case 3:
		return r.RemoveRealServer(context.Background(), ServerID{name, server})
	case 4:
		port := rapid.IntRange(79, 81).Draw(t, "port")
		n := ServiceAddition{
			Name: name, Address: fmt.Sprintf("10.0.0.100:%d", port), Protocol: "tcp", Mode: "nat",
			RealServers: []RealServerAddition{{server, change}},
		}
		drawClaims(t, &n)
		return r.AddService(context.Background(), n)
	case 5:
		return r.RemoveService(context.Background(), name)
	case 6:
		return r.Announce(context.Background(), AnnounceRequest{rapid.Bool().Draw(t, "announce"), name})
	case 7:
		return r.Announce(context.Background(), AnnounceRequest{Announce: rapid.Bool().Draw(t, "announce")})
	}
	next := rapid.SampledFrom(names).Draw(t, "name")
	scheduler := rapid.SampledFrom([]string{"rr", "mh", "sh", "best"}).Draw(t, "scheduler")
	slow := rapid.SampledFrom([]string{"0s", "30ms", "1h"}).Draw(t, "slow start")
	settings := ServiceSettings{Scheduler: &scheduler, SlowStart: &slow}
	settings.SchedulerFlags = rapid.SampledFrom([]*[]string{
		nil, {}, {"mh-port"}, {"sh-port", "sh-fallback"},
	}).Draw(t, "flags")
	return r.ChangeService(context.Background(), name, ServiceChange{&next, settings})
}

// drawClaims may give a new service a mark or several addresses in place of its address.
func drawClaims(t *rapid.T, n *ServiceAddition) {
	switch rapid.IntRange(0, 3).Draw(t, "claims") {
	case 0:
		n.Address, n.Protocol, n.Mark = "", "", uint32(rapid.IntRange(7, 8).Draw(t, "mark"))
	case 1:
		n.Addresses, n.Address = []string{n.Address, "10.0.0.96/30:8000-8100"}, ""
	case 2:
		n.Addresses, n.Address = []string{"10.0.0.101:*"}, ""
	}
}

// isConsistent compares the displayed configuration with a file of that content and with the
// engine.
func (r *Running) isConsistent(t *rapid.T) {
	c := r.Config()
	again, err := config.Parse("again.toml", []byte(c.Render()))
	if err != nil {
		t.Fatalf("%v\nof\n%s", err, c.Render())
	}
	if plan := r.Plan(again, DropOverrides); !plan.Empty() {
		t.Fatalf("the same content as a file differs: %+v", plan)
	}
	want, got := EngineSettings(c), r.engine.Report().Services
	if len(want.Services) != len(got) {
		t.Fatalf("the engine has %d services, want %d", len(got), len(want.Services))
	}
	for i := range got {
		if s := got[i].Service; !reflect.DeepEqual(normal(s), normal(want.Services[i])) {
			t.Fatalf("the engine has\n%+v\nwant\n%+v", s, want.Services[i])
		}
	}
	for i := range c.Services {
		if s, err := r.Service(c.Services[i].Name); err != nil || s.ID() != c.Services[i].ID() {
			t.Fatalf("service %s is found as %v, %v", c.Services[i].Name, s.ID(), err)
		}
	}
}

// normal returns a service with nil in place of an empty list, and without slow starts, which are
// not in the configuration.
func normal(s engine.Service) engine.Service {
	s.RealServers = slices.Clone(s.RealServers)
	for i := range s.RealServers {
		s.RealServers[i].Share = 0
	}
	if len(s.RealServers) == 0 {
		s.RealServers = nil
	}
	return s
}

// TestConfigIsACopy checks that later changes do not affect a configuration that Config returned.
func TestConfigIsACopy(t *testing.T) {
	r := newTestRunning(t, parsePlanned(t, planned))
	c, revision := r.Revision()
	text := c.Render()
	weight := 7
	for _, edit := range []func() (Plan, error){
		func() (Plan, error) {
			return r.ChangeRealServer(context.Background(), ServerID{"web", "10.0.0.11:8080"}, RealServerChange{Weight: &weight})
		},
		func() (Plan, error) { return r.RemoveService(context.Background(), "web") },
	} {
		if _, err := edit(); err != nil {
			t.Fatal(err)
		}
		if c.Render() != text {
			t.Fatal("it changed")
		}
		now, next := r.Revision()
		if now.Render() == text || next == revision {
			t.Fatalf("revision %s, then %s", revision, next)
		}
		if _, err := r.Apply(context.Background(), c, Application{Revision: revision}); err != ErrOvertaken {
			t.Fatalf("applied over an old revision: %v", err)
		}
	}
	if _, err := r.Apply(context.Background(), c, Application{Precedence: DropOverrides}); err != nil || r.Config().Render() != text {
		t.Fatal(err)
	}
}

// farmFile returns a file with n services of ten real servers each.
func farmFile(n int) string {
	var text strings.Builder
	text.WriteString("[session]\nmax = 1000\n" +
		"[[port]]\nname = \"front\"\ndevice = \"net_null0\"\naddresses = [\"10.0.0.1/8\"]\n")
	at := netip.MustParseAddr("10.1.0.0")
	for i := range n {
		at = at.Next()
		fmt.Fprintf(&text, "[[service]]\nname = \"s%d\"\naddress = \"%s:80\"\n"+
			"protocol = \"tcp\"\nmode = \"nat\"\n", i, at)
		for range 10 {
			at = at.Next()
			fmt.Fprintf(&text, "[[service.real_server]]\naddress = \"%s:80\"\n", at)
		}
	}
	return text.String()
}

func newFarm(b *testing.B, n int) *Running {
	b.Helper()
	c, err := config.Parse("farm.toml", []byte(farmFile(n)))
	if err != nil {
		b.Fatal(err)
	}
	return newTestRunning(b, c)
}

// BenchmarkWeight changes one weight among n services of ten real servers each. It includes
// everything that package control does for the change.
func BenchmarkWeight(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := newFarm(b, n)
			s := r.Config().Services[n/2]
			id := ServerID{s.Name, s.RealServers[3].Address.String()}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				weight := 2 + i%2
				if _, err := r.ChangeRealServer(context.Background(), id, RealServerChange{Weight: &weight}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAddRemoveService adds a service to n others and removes it.
func BenchmarkAddRemoveService(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := newFarm(b, n)
			for b.Loop() {
				add := ServiceAddition{
					Name: "more", Address: "10.200.0.1:80", Protocol: "tcp", Mode: "nat",
				}
				for i := range 10 {
					address := fmt.Sprintf("10.200.1.%d:80", i+1)
					add.RealServers = append(add.RealServers, RealServerAddition{Address: address})
				}
				if _, err := r.AddService(context.Background(), add); err != nil {
					b.Fatal(err)
				}
				if _, err := r.RemoveService(context.Background(), "more"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkApplyFarm applies a configuration of n services with ten real servers each. The director
// runs one service before.
func BenchmarkApplyFarm(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c, err := config.Parse("farm.toml", []byte(farmFile(n)))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				b.StopTimer()
				r := newFarm(b, 1)
				b.StartTimer()
				if _, err := r.Apply(context.Background(), c, Application{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
