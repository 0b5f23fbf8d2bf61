package config

import (
	"strings"
	"testing"

	"fulcrum/lvs"
)

const lonely = `
[[service]]
name = "dns"
address = "10.0.0.100:53"
protocol = "udp"
mode = "dr"
one_packet = true
[[service.real_server]]
address = "10.0.0.11:53"
`

// TestOnePacketIsRead and written again.
func TestOnePacketIsRead(t *testing.T) {
	ports := readFile(t, "testdata/base/ports.toml")
	c := mustParse(t, ports+lonely)
	if !c.Services[0].OnePacket {
		t.Error("it is not read")
	}
	same(t, mustParse(t, c.Render()), c)
	if text := mustParse(t, ports+strings.Replace(lonely, "true", "false", 1)).Render(); strings.Contains(
		text, "one_packet") {
		t.Errorf("the default is written:\n%s", text)
	}
}

// TestOnePacketWithAnswers: modes whose answers pass the director are warned of, also those of
// single real servers.
func TestOnePacketWithAnswers(t *testing.T) {
	ports := readFile(t, "testdata/base/ports.toml")
	const want = "service dns: one_packet in nat: the answers of real servers belong to no session, " +
		"so that they do not come from the VIP; use dr or ipip"
	for text, warned := range map[string]bool{
		lonely: false,
		strings.Replace(lonely, `"dr"`, `"ipip"`, 1):                                     false,
		strings.Replace(lonely, `"dr"`, `"nat"`, 1):                                      true,
		lonely + "mode = \"nat\"\n":                                                      true,
		strings.Replace(lonely, `"dr"`, `"nat"`, 1) + "mode = \"dr\"":                    false,
		strings.Replace(strings.Replace(lonely, "true", "false", 1), `"dr"`, `"nat"`, 1): false,
	} {
		all := strings.Join(mustParse(t, ports+text).warnings([]int{0, 1}), "\n")
		if got := strings.Contains(all, want); got != warned {
			t.Errorf("%s\nwarns of %q", text, all)
		}
	}
}

// TestOnePacketByLoad: schedulers that compare sessions find none to compare.
func TestOnePacketByLoad(t *testing.T) {
	ports := readFile(t, "testdata/base/ports.toml")
	two := lonely + "[[service.real_server]]\naddress = \"10.0.0.12:53\"\n"
	for _, s := range lvs.Schedulers() {
		with := strings.NewReplacer("one_packet", "scheduler = \""+s.String()+"\"\none_packet")
		for text, warned := range map[string]bool{
			with.Replace(two): s.BySessions(), with.Replace(lonely): false,
			strings.Replace(with.Replace(two), "true", "false", 1): false,
		} {
			all := strings.Join(mustParse(t, ports+text).warnings([]int{0, 1}), "\n")
			if got := strings.Contains(all, s.String()+" compares sessions"); got != warned {
				t.Errorf("%s\nwarns of %q", text, all)
			}
		}
	}
}
