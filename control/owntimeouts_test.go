package control

import (
	"strings"
	"testing"
	"time"

	"fulcrum/config"
	"fulcrum/lvs"
)

// TestPlanOfOwnTimeouts: the plan shows a service's timeouts by their keys.
func TestPlanOfOwnTimeouts(t *testing.T) {
	old, next := parsePlanned(t, planned), parsePlanned(t, planned)
	next.Services[0].Timeouts[lvs.StateEstablished] = 30 * time.Second
	next.Services[0].Timeouts[lvs.StateSynRecv] = 1500 * time.Millisecond
	plan := NewPlan(old, next, nil, nil)
	want := Change{
		Action: Alter, Object: "service " + next.Services[0].Name, Effect: "end by the new ones",
		Detail: "timeouts none -> established 30s, syn_recv 1.5s",
	}
	if len(plan.Changes) != 1 || plan.Changes[0] != want {
		t.Errorf("%+v, want %+v", plan.Changes, want)
	}
}

// TestEditOfOwnTimeouts: an edit replaces all timeouts of the service, and names what is wrong.
func TestEditOfOwnTimeouts(t *testing.T) {
	var s config.Service
	s.Timeouts[lvs.StateUDP] = time.Second
	n := ServiceSettings{Timeouts: &map[string]string{"established": "30s"}}
	if err := n.to(&s); err != nil || s.Timeouts.String() != "established 30s" {
		t.Errorf("%v, %v", s.Timeouts, err)
	}
	for key, want := range map[string]string{
		"etablished": "service.timeouts.etablished: unknown key", "udp": "service.timeouts.udp: ",
	} {
		n := ServiceSettings{Timeouts: &map[string]string{key: "0s"}}
		if err := n.to(&s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", key, err, want)
		}
	}
}
