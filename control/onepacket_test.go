package control

import (
	"context"
	"strings"
	"testing"
)

// TestOnePacketIsSetLive, and the plan says what becomes of sessions. The report shows it.
func TestOnePacketIsSetLive(t *testing.T) {
	text := strings.NewReplacer("mode = \"fullnat\"\n", "mode = \"dr\"\n",
		"local_addresses = [\"10.0.0.50\"]\n", "").Replace(planned)
	r := newTestRunning(t, parsePlanned(t, text))
	set := func(name string, on bool) (Plan, error) {
		return r.ChangeService(context.Background(), name,
			ServiceChange{ServiceSettings: ServiceSettings{OnePacket: &on}})
	}
	for _, on := range []bool{true, false} {
		plan, err := set("dns", on)
		want := "go on"
		if on {
			want = "go on until they time out; no new ones"
		}
		if err != nil || len(plan.Changes) != 1 || plan.Changes[0].Effect != want {
			t.Fatalf("%t: %v, %+v", on, err, plan)
		}
		report := NewReport(r.Config(), r.engine.Report())
		if got := report.Services[1]; got.OnePacket != on || r.Config().Services[1].OnePacket != on {
			t.Errorf("%t: the report has %+v", on, got)
		}
	}
	_, err := set("web", true)
	if err == nil || !strings.Contains(err.Error(), "only datagrams of udp are scheduled one by one") {
		t.Errorf("a TCP service: %v", err)
	}
	if _, err := set("dns", true); err != nil {
		t.Fatal(err)
	}
	mode := "fullnat"
	_, err = r.AddRealServer(context.Background(), "dns",
		RealServerAddition{"10.0.0.14:53", RealServerChange{Mode: &mode}})
	if err == nil || !strings.Contains(err.Error(), "the service has one_packet") {
		t.Errorf("a real server in fullnat: %v", err)
	}
}
