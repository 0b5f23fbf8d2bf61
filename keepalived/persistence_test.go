package keepalived

import (
	"strings"
	"testing"
)

func TestPersistence(t *testing.T) {
	for _, test := range []struct{ vip, keys, want, note string }{
		{"10.0.0.1", "persistence_timeout", `persistence = "6m"`, ""},
		{"10.0.0.1", "persistence_timeout 0", "", ""},
		{
			"10.0.0.1", "persistence_timeout 50\npersistence_granularity 255.255.0.0",
			"persistence_mask = 16", "",
		},
		{"fd00::1", "persistence_timeout 50\npersistence_granularity 56", "persistence_mask = 56", ""},
		{"10.0.0.1", "persistence_timeout 50\npersistence_granularity 56", "", "is no mask for 10.0.0.1"},
		{"fd00::1", "persistence_timeout 50\npersistence_granularity 255.0.0.0", "", "is no mask"},
		{"10.0.0.1", "persistence_timeout 50\npersistence_granularity 255.0.255.0", "", "is no mask"},
		{"10.0.0.1", "persistence_timeout 604801", `persistence = "168h"`, "is at most 168h"},
	} {
		text := "virtual_server " + test.vip + " 80 {\n protocol TCP\n" + test.keys + "\n}\n"
		i, err := load(memory{"f": text}, "f", "")
		if err != nil {
			t.Errorf("%s: %v", test.keys, err)
			continue
		}
		got := strings.Join(strings.Fields(i.TOML()), " ")
		if test.want == "" && strings.Contains(got, "persistence_mask =") ||
			!strings.Contains(got, test.want) || !strings.Contains(got, test.note) {
			t.Errorf("%s: got\n%s", test.keys, i.TOML())
		}
	}
}

// TestPersistenceEngine: the key may stand anywhere in its block.
func TestPersistenceEngine(t *testing.T) {
	const note = "not carried over: f:2: persistence_engine "
	for _, test := range []struct{ keys, want string }{
		{"persistence_engine sip\nprotocol UDP\npersistence_timeout 60", `persistence_engine = "sip"`},
		{"persistence_engine sip\nprotocol UDP", note + "sip: has no effect without"},
		{"persistence_engine sip\nprotocol TCP\npersistence_timeout 60", note + "sip: is for protocol UDP"},
		{"persistence_engine quic\nprotocol UDP\npersistence_timeout", note + "quic: the persistence engine"},
	} {
		i, err := load(memory{"f": "virtual_server 10.0.0.1 5060 {\n" + test.keys + "\n}\n"}, "f", "")
		if err != nil {
			t.Errorf("%s: %v", test.keys, err)
			continue
		}
		got := strings.Join(strings.Fields(i.TOML()), " ")
		if !strings.Contains(got, test.want) ||
			strings.Contains(got, "persistence_engine =") != strings.Contains(test.want, "=") {
			t.Errorf("%s: got\n%s", test.keys, i.TOML())
		}
	}
}
