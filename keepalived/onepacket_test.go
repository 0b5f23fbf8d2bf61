package keepalived

import (
	"strings"
	"testing"
)

// TestOnePacket: ops is one-packet scheduling in UDP, as keepalived has it, wherever protocol and
// method stand.
func TestOnePacket(t *testing.T) {
	const local = "local_address_group a {\n 10.0.0.9\n}\n"
	for keys, note := range map[string]string{
		"protocol UDP\nops":                "",
		"ops\nlvs_method DR\nprotocol UDP": "",
		"ops":                              "has no protocol and is UDP",
		"ops\nprotocol TCP":                "ops: has no effect on tcp in keepalived either",
		"protocol SCTP\nops":               "ops: has no effect on sctp in keepalived either",
		"protocol UDP\nops\nlvs_method FNAT\n" +
			"laddr_group_name a": "ops: mode fullnat keeps a session for each client",
		"protocol UDP\nladdr_group_name a\nops\nlvs_method DR\n" +
			"real_server 10.0.0.2 53 {\n lvs_method FNAT\n}\nreal_server 10.0.0.3 53 {\n}": "keeps a session",
	} {
		i, err := load(memory{"f": local + "virtual_server 10.0.0.1 53 {\n" + keys + "\n}\n"}, "f", "")
		if err != nil {
			t.Errorf("%s: %v", keys, err)
			continue
		}
		got, want := strings.Join(strings.Fields(i.TOML()), " "), !strings.Contains(note, "ops:") &&
			!strings.Contains(note, "session")
		if strings.Contains(got, "one_packet = true") != want || !strings.Contains(got, note) {
			t.Errorf("%s: got\n%s", keys, i.TOML())
		}
	}
}
