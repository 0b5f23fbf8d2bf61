package engine

import (
	"testing"
	"time"

	"fulcrum/conntrack"
	"fulcrum/packet"
	"fulcrum/sched"
)

func TestNamesAreParsed(t *testing.T) {
	for _, m := range allModes {
		if got, err := ParseMode(m.String()); err != nil || got != m {
			t.Errorf("mode %v: %v, %v", m, got, err)
		}
	}
	for _, k := range sched.Kinds() {
		if got, err := ParseScheduler(k.String()); err != nil || got != k {
			t.Errorf("scheduler %v: %v, %v", k, got, err)
		}
	}
	for name, want := range map[string]uint8{"tcp": packet.ProtocolTCP, "udp": packet.ProtocolUDP} {
		if got, err := ParseProtocol(name); err != nil || got != want {
			t.Errorf("protocol %s: %v, %v", name, got, err)
		}
	}
}

func TestUnknownNamesAreErrors(t *testing.T) {
	_, noMode := ParseMode("DR")
	_, noScheduler := ParseScheduler("random")
	_, noProtocol := ParseProtocol("icmp")
	_, noState := ParseTimeouts(map[string]time.Duration{"half_open": time.Second})
	for i, err := range []error{noMode, noScheduler, noProtocol, noState} {
		if err == nil {
			t.Errorf("%d: no error", i)
		}
	}
}

func TestTimeoutsByName(t *testing.T) {
	got, err := ParseTimeouts(map[string]time.Duration{"established": 90 * time.Second, "udp": 3 * time.Second, "syn_recv": time.Minute})
	want := conntrack.DefaultTimeouts()
	want.Set(conntrack.Established, 90*time.Second)
	want.Set(conntrack.UDP, 3*time.Second)
	if err != nil || got != want {
		t.Fatalf("%v, %v; want %v", got, err, want)
	}
}
