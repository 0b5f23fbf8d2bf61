package control

import (
	"context"
	"strings"
	"testing"
)

// Flags belong to their scheduler: they stay with it, and another scheduler begins without.
func TestSchedulerFlags(t *testing.T) {
	r := newTestRunning(t, parsePlanned(t, planned))
	name := r.Config().Services[0].Name
	for _, step := range []struct {
		scheduler string   // "" leaves it
		flags     []string // nil leaves them
		want      string   // scheduler and flags, or a part of the error
	}{
		{"mh", []string{"mh-port"}, "mh port"},
		{"", []string{"mh-fallback", "mh-port"}, "mh fallback,port"},
		{"mh", nil, "mh fallback,port"},
		{"", []string{"sh-port"}, `"sh-port" is a flag of the scheduler sh, not of mh`},
		{"sh", nil, "sh none"},
		{"sh", []string{"sh-fallback"}, "sh fallback"},
		{"wlc", nil, "wlc none"},
		{"", []string{"sh-port"}, "wlc has no flags"},
		{"", []string{}, "wlc none"},
	} {
		var change ServiceChange
		if step.scheduler != "" {
			change.Scheduler = &step.scheduler
		}
		if step.flags != nil {
			change.SchedulerFlags = &step.flags
		}
		_, err := r.ChangeService(context.Background(), name, change)
		s := r.Config().Services[0]
		got := s.Scheduler.String() + " " + s.SchedulerFlags.String()
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, step.want) {
			t.Errorf("%q with %q: %s, want %s", step.scheduler, step.flags, got, step.want)
		}
	}
}
