package control

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"fulcrum/config"
	"fulcrum/lvs"
)

// TestOverrides plays the scenarios in testdata/overrides: what is done live, files that change,
// restarts and rollbacks. README.md there explains the commands.
func TestOverrides(t *testing.T) {
	datadriven.Walk(t, "testdata/overrides", func(t *testing.T, path string) {
		if strings.HasSuffix(path, ".md") {
			return
		}
		s := &overrideScenario{T: t, folder: t.TempDir()}
		defer s.stop()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return s.play(d.Cmd, d.CmdArgs, d.Input)
		})
	})
}

// overrideScenario is a director without workers that keeps its state in a folder.
type overrideScenario struct {
	*testing.T
	folder  string
	file    string // text
	logged  strings.Builder
	state   *State
	running *Running
	close   func()
}

const scenarioFile = "fulcrum.toml"

func (s *overrideScenario) play(command string, words []datadriven.CmdArg, input string) string {
	var args []string
	for _, w := range words {
		args = append(args, w.String())
	}
	switch command {
	case "file":
		s.file = fileOf(input)
		return ""
	case "start":
		return s.start()
	case "kill":
		s.stop()
		return ""
	case "damage":
		return s.damage(args[0])
	case "show":
		return s.show()
	case "overrides":
		return list(s.running.Overrides())
	}
	ctx := context.Background()
	if command == "careful" {
		ctx, command, args = RefuseLast(ctx), args[0], args[1:]
	}
	plan, err := s.change(ctx, command, args, input)
	return shownPlan(plan, err)
}

// fileOf returns the file that describes services by a line each: name protocol address mode
// scheduler, then real servers as ADDRESS=WEIGHT[/MODE]. A line with = and no service is a setting
// of [director].
func fileOf(lines string) string {
	var director, services strings.Builder
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) < 5 {
			director.WriteString(line)
			continue
		}
		fmt.Fprintf(&services, "[[service]]\nname = %q\nprotocol = %q\naddress = %q\nmode = %q\n"+
			"scheduler = %q\n", words[0], words[1], words[2], words[3], words[4])
		for _, word := range words[5:] {
			address, weight, _ := strings.Cut(word, "=")
			weight, mode, states := strings.Cut(weight, "/")
			fmt.Fprintf(&services, "[[service.real_server]]\naddress = %q\nweight = %s\n", address, weight)
			if states {
				fmt.Fprintf(&services, "mode = %q\n", mode)
			}
		}
	}
	return "[director]\n" + director.String() + `
[session]
max = 1000
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24", "fd00::1/64"]
` + services.String()
}

func (s *overrideScenario) parse(name, text string) *config.Config {
	c, err := config.Parse(name, []byte(text))
	if err != nil {
		s.Fatalf("%v\nin\n%s", err, text)
	}
	return c
}

// start starts the director as director.Director does, and returns what it logs.
func (s *overrideScenario) start() string {
	s.logged.Reset()
	log := slog.New(slog.NewTextHandler(&s.logged, &slog.HandlerOptions{ReplaceAttr: withoutTimes}))
	var err error
	if s.state, err = OpenState(s.folder, log); err != nil {
		s.Fatal(err)
	}
	back := s.state.Restore(s.parse(scenarioFile, s.file))
	var owner deferred
	s.running = newTestRunning(&owner, back.Config)
	s.running.Keep(s.state, back)
	s.running.ResumeDrains(back)
	s.close = owner.run
	return s.logged.String()
}

// withoutTimes leaves out what differs from run to run.
func withoutTimes(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey || a.Key == "kept as" {
		return slog.Attr{}
	}
	return a
}

// deferred collects what newTestRunning wants done at the end.
type deferred struct {
	testing.TB
	all []func()
}

func (d *deferred) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
func (d *deferred) Error(args ...any) { panic(fmt.Sprint(args...)) }
func (d *deferred) Cleanup(f func())  { d.all = append(d.all, f) }

func (d *deferred) run() {
	for _, f := range d.all {
		f()
	}
}

// stop ends the director without a last word, as kill -9 does.
func (s *overrideScenario) stop() {
	if s.running == nil {
		return
	}
	s.close()
	if err := s.state.Close(); err != nil {
		s.Error(err)
	}
	s.running = nil
}

// damage changes the state's file.
func (s *overrideScenario) damage(how string) string {
	path := filepath.Join(s.folder, stateName)
	data, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	switch how {
	case "cut":
		data = data[:len(data)/2]
	case "flip":
		data[len(data)/2] ^= 1
	case "empty":
		data = nil
	case "newer":
		data = []byte(strings.Replace(string(data), stateMagic+" 1 ", stateMagic+" 2 ", 1))
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		s.Fatal(err)
	}
	return ""
}

func (s *overrideScenario) show() string {
	c := s.running.Config()
	var text strings.Builder
	if !c.Director.Announce {
		text.WriteString("announce = false\n")
	}
	for i := range c.Services {
		v := &c.Services[i]
		fmt.Fprintf(&text, "%s %s %s %s %s", v.Name, v.Protocol, v.Address, v.Mode, v.Scheduler)
		for _, rs := range v.RealServers {
			fmt.Fprintf(&text, " %s=%d", rs.Address, rs.Weight)
			if rs.Mode != lvs.AsService {
				fmt.Fprintf(&text, "/%s", rs.Mode)
			}
		}
		text.WriteString("\n")
	}
	return text.String()
}

// change makes a change and returns its plan.
func (s *overrideScenario) change(
	ctx context.Context, command string, args []string, input string,
) (Plan, error) {
	r := s.running
	switch command {
	case "weight":
		return r.ChangeRealServer(ctx, ServerID{args[0], args[1]}, weightOf(args[2]))
	case "mode":
		args = append(args, "")
		return r.ChangeRealServer(ctx, ServerID{args[0], args[1]}, RealServerChange{Mode: &args[2]})
	case "add":
		return r.AddRealServer(ctx, args[0], RealServerAddition{args[1], weightOf(args[2])})
	case "remove":
		return r.RemoveRealServer(ctx, ServerID{args[0], args[1]})
	case "add-service":
		return r.AddService(ctx, ServiceAddition{
			Name: args[0], Protocol: "tcp", Address: args[1], Mode: "nat",
			RealServers: []RealServerAddition{{args[2], weightOf("1")}},
		})
	case "remove-service":
		return r.RemoveService(ctx, args[0])
	case "scheduler":
		change := ServiceChange{ServiceSettings: ServiceSettings{Scheduler: &args[1]}}
		if len(args) > 2 {
			flags := args[2:]
			change.SchedulerFlags = &flags
		}
		return r.ChangeService(ctx, args[0], change)
	case "announce":
		return r.Announce(ctx, AnnounceRequest{Announce: args[0] == "on"})
	case "drain":
		d, err := r.Drain(ctx, ServerID{args[0], args[1]}, DrainRequest{DeadlineSeconds: 1000})
		plan := Plan{}
		plan.warn(d.Warning)
		return plan, err
	case "reset":
		args = append(args, "", "")
		return r.ResetOverrides(ctx, OverrideTarget{args[0], args[1]})
	case "rollback":
		return r.Rollback(ctx)
	}
	return s.applyFile(ctx, command, args, input)
}

// applyFile reads the file again, or plans or applies another one.
func (s *overrideScenario) applyFile(
	ctx context.Context, command string, args []string, input string,
) (Plan, error) {
	next, how := s.parse(scenarioFile, s.file), Application{}
	if input != "" {
		next = s.parse("other.toml", fileOf(input))
	}
	if len(args) > 0 {
		how.Precedence = Precedence(args[0])
	}
	switch command {
	case "plan":
		return s.running.Plan(next, how.Precedence), nil
	case "reload", "apply":
		return s.running.Apply(ctx, next, how)
	case "live":
		how.Live = true
		return s.running.Apply(ctx, next, how)
	}
	return Plan{}, fmt.Errorf("unknown command %q", command)
}

func weightOf(text string) RealServerChange {
	w, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return RealServerChange{Weight: &w}
}

func shownPlan(p Plan, err error) string {
	var text strings.Builder
	for _, c := range p.Changes {
		fmt.Fprintf(&text, "%s %s", c.Action, c.Object)
		if c.Detail != "" {
			fmt.Fprintf(&text, ": %s", c.Detail)
		}
		text.WriteString("\n")
	}
	for _, o := range p.Kept {
		fmt.Fprintf(&text, "kept: %s\n", o)
	}
	for _, o := range p.Dropped {
		fmt.Fprintf(&text, "dropped: %s (%s)\n", o, o.Reason)
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(&text, "warning: %s\n", w)
	}
	if err != nil {
		fmt.Fprintf(&text, "error: %v\n", err)
	}
	return text.String()
}

func list(all []Override) string {
	var text strings.Builder
	for _, o := range all {
		fmt.Fprintln(&text, o)
	}
	return text.String()
}
