package control

import (
	"strings"
	"testing"

	"fulcrum/config"
	"fulcrum/conntrack"
	"fulcrum/engine"
	"fulcrum/modes"
	"fulcrum/sched"
)

// The configuration has lists of names of its own, since it knows nothing of the packages that they belong to. They have to
// be the same.

func TestEveryConfiguredNameIsKnown(t *testing.T) {
	for _, name := range config.Modes() {
		if m, err := engine.ParseMode(name); err != nil || m.String() != name {
			t.Errorf("mode %q: %v, %v", name, m, err)
		}
	}
	for _, name := range config.Schedulers() {
		if k, err := engine.ParseScheduler(name); err != nil || k.String() != name {
			t.Errorf("scheduler %q: %v, %v", name, k, err)
		}
	}
	for _, name := range config.Protocols() {
		if _, err := engine.ParseProtocol(name); err != nil {
			t.Errorf("protocol %q: %v", name, err)
		}
	}
}

func TestEveryKnownNameCanBeConfigured(t *testing.T) {
	if got, want := len(config.Modes()), int(modes.NumModes); got != want {
		t.Errorf("%d modes can be configured, %d are known", got, want)
	}
	if got, want := len(config.Schedulers()), len(sched.Kinds()); got != want {
		t.Errorf("%d schedulers can be configured, %d are known", got, want)
	}
}

// TestDefaultTimeoutsAreIPVSs: a file that sets no timeout gives what the state table has.
func TestDefaultTimeoutsAreIPVSs(t *testing.T) {
	e, err := EngineSettings(exampleConfig(t, "nat"))
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range conntrack.DefaultTimeouts() {
		if got := e.Timeouts[s]; got != want {
			t.Errorf("%s: %d ms, want %d", strings.ToLower(conntrack.State(s).String()), got, want)
		}
	}
}
