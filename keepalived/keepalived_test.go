package keepalived

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"fulcrum/config"
	"fulcrum/lvs"
)

// ports has every real server of testdata in mode dr on one of its subnets.
const ports = `
[[port]]
name = "front"
device = "net_null0"
addresses = ["192.168.200.1/24", "192.168.201.1/24", "10.254.0.1/8", "2001:db8::1/64", "fd00:1::1/64"]
[[route]]
to = "::/0"
via = "fd00:1::2"
`

// TestImport compares the result with the golden files, and parses it together with a port.
func TestImport(t *testing.T) {
	for file, id := range map[string]string{
		"web": "", "mixed": "", "site/keepalived": "", "definitions": "", "groups": "",
		"hosts": "fra2", "methods": "", "quoting": "", "windows": "",
		"dpvs-fnat": "", "dpvs": "", "persistence-0": "", "marks": "", "checks": "", "pool": "",
	} {
		i, err := Load("testdata/"+file+".conf", id)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		compare(t, "testdata/"+file+".golden", i.TOML())
		if _, err := config.Parse(file, []byte(ports+matched(i.TOML()))); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

var unwritten = regexp.MustCompile(`(?m)^(number = (\d+))\n# match = .*$`)

// matched returns a result with matches of both IP versions for each of its marks.
func matched(text string) string {
	return unwritten.ReplaceAllString(text, "$1\nmatch = [\"tcp 172.16.0.1:$2\", \"udp [fd00:7::1]:$2\"]")
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if os.Getenv("FULCRUM_UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != got {
		t.Errorf("%s: %v; got\n%s", golden, err, got)
	}
}

// memory holds files by name. Patterns match as in filepath.Match.
type memory map[string]string

func (m memory) read(name string) ([]byte, error) {
	if text, ok := m[name]; ok {
		return []byte(text), nil
	}
	return nil, os.ErrNotExist
}

func (m memory) glob(pattern string) []string {
	var all []string
	for name := range m {
		if ok, _ := filepath.Match(pattern, name); ok {
			all = append(all, name)
		}
	}
	return all
}

const (
	vs = "virtual_server 1.2.3.4 80 {\n"
	rs = vs + " real_server 1.2.3.5 80 {\n"
)

// TestMistakes checks the text and the place of every mistake.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"virtual_server {\n}":                                "f:1: virtual_server: write an address and a port after virtual_server",
		"virtual_server x.example 80 {\n}":                   `f:1: invalid address "x.example": write an IPv4 or IPv6 address, not a name`,
		"virtual_server ${VIP} 80 {\n}":                      `f:1: invalid address "${VIP}": ${VIP} is not defined`,
		"virtual_server ${_ENV VIP} 80 {\n}":                 `f:1: invalid address "${_ENV VIP}": keepalived replaces ${_ENV VIP} when it starts: write the value instead`,
		"virtual_server 1.2.3.4 http {\n}":                   `f:1: invalid port "http": write a number from 1 to 65535`,
		"virtual_server 1.2.3.4 70000 {\n}":                  `f:1: invalid port "70000"`,
		"virtual_server 1.2.3.4 80":                          "f:1: virtual_server 1.2.3.4 80: missing block: add { and }",
		"virtual_server 1.2.3.4 80 TCP {\n}":                 "f:1: virtual_server 1.2.3.4 80 TCP: write an address and a port",
		"\n" + vs + "  lb_kind FOO\n}":                       `f:3: unknown forwarding method "FOO": write NAT, DR, TUN or FNAT`,
		vs + " lb_algo\n}":                                   "f:2: lb_algo: missing scheduler: write one such as wlc",
		vs + " lb_algo $ALGO\n}":                             `f:2: unknown scheduler "$ALGO": $ALGO is not defined`,
		vs + "  protocol ICMP\n}":                            `f:2: unknown protocol "ICMP": write TCP, UDP or SCTP`,
		vs + " weight 0\n}":                                  `f:2: invalid weight "0": write a number from 1 to 65535`,
		vs + "  $RS\n}":                                      "f:2: $RS: unknown key: $RS is not defined",
		vs + " delay_loop 0\n}":                              `f:2: invalid delay_loop "0": write a number of seconds`,
		vs + " delay_loop 1e3\n}":                            `f:2: invalid delay_loop "1e3"`,
		vs + " delay_loop $D\n}":                             `f:2: invalid delay_loop "$D": write a number of seconds: $D is not defined`,
		vs + " connect_timeout\n}":                           `f:2: invalid connect_timeout ""`,
		vs + " warmup\n retry -1\n}":                         `f:3: invalid retry "-1": write a number from 0 to 2147483647`,
		vs + " alpha maybe\n}":                               `f:2: invalid alpha "maybe": write true or false`,
		vs + " quorum 0\n}":                                  `f:2: invalid quorum "0": write a number from 1`,
		vs + " hysteresis -1\n}":                             `f:2: invalid hysteresis "-1"`,
		vs + " quorum_up\n}":                                 "f:2: quorum_up: missing program",
		vs + " sorry_server x 80\n}":                         `f:2: invalid address "x"`,
		rs + " TCP_CHECK {\nconnect_port 0\n}\n}\n}":         `f:4: invalid connect_port "0": write a number from 1 to 65535`,
		rs + " TCP_CHECK {\nbindto x\n}\n}\n}":               `f:4: invalid bindto "x": write an IPv4 or IPv6 address`,
		rs + " UDP_CHECK {\npayload 0x\n}\n}\n}":             `f:4: invalid payload 0x: write hexadecimal digits`,
		rs + " UDP_CHECK {\nmin_reply_length 65536\n}\n}\n}": `f:4: invalid min_reply_length "65536"`,
		rs + " MISC_CHECK {\nmisc_path \"a \\\"b\"\n}\n}\n}": `f:4: misc_path: unterminated string`,
		rs + " MISC_CHECK {\nmisc_timeout 0\n}\n}\n}":        `f:4: invalid misc_timeout "0"`,
		rs + "  weight x\n }\n}":                             `f:3: invalid weight "x": write a number from 0 to 65535`,
		rs + "  weight 65536\n }\n}":                         `f:3: invalid weight "65536"`,
		rs + "  weight -1\n }\n}":                            `f:3: invalid weight "-1"`,
		rs + "  weight\n }\n}":                               `f:3: invalid weight ""`,
		rs + "  uthreshold 2147483648\n }\n}":                `f:3: invalid uthreshold "2147483648"`,
		rs + "  weight 1\n real_server 1.2.3.6 80 {\n}}":     "f:4: real_server: is inside the block of real_server 1.2.3.5 80: is a } missing before it?",
		vs + " virtual_server 1.2.3.5 80 {\n}\n}":            "f:2: virtual_server: is inside the block of virtual_server 1.2.3.4 80: is a } missing before it?",
		vs + "}\n real_server 1.2.3.5 80 {\n}":               "f:3: real_server: is outside a virtual_server: is there an extra } before it?",
		vs:                                                   "f:1: virtual_server 1.2.3.4 80: unterminated block: add }",
		"}":                                                  "f:1: extra }: remove it, or add the { that it closes",
		"\n{\n}":                                             "f:2: extra {: write a key before it",
		"a \"b":                                              `f:1: unterminated string: add the closing "`,
		"include nothing.conf":                               "f:1: include nothing.conf: no such file: nothing.conf",
		"\ninclude f":                                        "f:2: include f: files include each other",
		"includem *.nothing":                                 "f:1: include *.nothing: no such file: *.nothing",
		"includew *.nothing":                                 "f:1: include *.nothing: no such file: *.nothing",
		"includea {f,g}":                                     "f:1: include {f,g}: no such file: g",
		strings.Repeat("a {\n", 20):                          "f:17: blocks are nested more than 16 deep",
		"$A=x $A\n$A":                                        "f:2: definitions use each other",
		"@x virtual_server 1.2.3.4 80 {\n}":                  "f:1: lines for some hosts (@host) are left out from here on: name the host with --config-id",
		"virtual_server group web {\n}":                      `f:1: virtual_server group web: unknown virtual_server_group "web"`,
		"local_address_group {\n}":                           "f:1: local_address_group: write a name and a block after local_address_group",
		localGroup("1.2.3.9") + localGroup("1.2.3.8"):        "f:4: local_address_group l: is already defined at f:1",
		localGroup("1.2.3.9-3") + fnat:                       "f:2: 1.2.3.9-3: the range ends before it begins",
		localGroup("lip dpdk0") + fnat:                       "f:2: lip dpdk0: invalid address, range",
		localGroup("10.0.0.0/20\n10.1.0.0/31") + fnat:        "f:3: 10.1.0.0/31: the group has more than 4096 addresses",
		fnat:                                                   `f:4: laddr_group_name l: unknown local_address_group "l"`,
		vs + localGroup("1.2.3.9") + "}\n":                     "f:2: local_address_group: is inside the block of virtual_server",
		"virtual_server_group {\n}":                            "f:1: virtual_server_group: write a name and a block",
		group("1.2.3.4") + group("1.2.3.5"):                    "f:4: virtual_server_group g: is already defined at f:1",
		group("1.2.3.4-3 80") + user:                           "f:2: 1.2.3.4-3 80: the range ends before it begins",
		group("1.2.3.4-300 80") + user:                         "f:2: 1.2.3.4-300 80: invalid address, range or prefix",
		group("10.0.0.0/8 80\n10.0.0.1 80") + user:             "f:5: 10.0.0.0-10.255.255.255: more than 4096 addresses: write a smaller range; other virtual servers",
		group("1.2.3.4-fd00::1 80") + user:                     "f:2: 1.2.3.4-fd00::1 80: invalid address, range or prefix",
		group("fwmark") + user:                                 `f:2: invalid mark "": write a number from 1 to 4294967295`,
		group("fwmark 1 ipv6") + user:                          `f:2: invalid mark "1 ipv6"`,
		"virtual_server fwmark 0 {\n}":                         `f:1: invalid mark "0"`,
		"virtual_server fwmark 4294967296 {\n}":                `f:1: invalid mark "4294967296"`,
		"virtual_server fwmark $M {\n}":                        `f:1: invalid mark "$M": write a number from 1 to 4294967295: $M is not defined`,
		"virtual_server fwmark 1 {\n ip_family 6\n}":           `f:2: unknown ip_family "6": write inet or inet6`,
		group("vip 80") + user:                                 "f:2: vip 80: invalid address, range",
		group("1.2.3.4 x") + user:                              `f:2: invalid port "x"`,
		group(strings.Repeat("10.0.0.1 80\n", 1<<16+1)) + user: "f:65538: 10.0.0.1 80: the group has more than 65536 members",
		"a" + strings.Repeat(" a", 1<<19) + "\n":               "f:1: line is longer than 1 MiB",
		vs + "\x1b[31m {\n":                                    `f:2: \u001b[31m: unterminated block`,
		strings.Repeat("include nothing\n", 99):                "and more",
	} {
		_, err := load(memory{"f": text}, "f", "")
		if err == nil || !strings.Contains("\n"+err.Error()+"\n", want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// group returns a virtual_server_group of one line. user is a virtual server of it.
func group(line string) string { return "virtual_server_group g {\n" + line + "\n}\n" }

// localGroup returns a local_address_group of one line. fnat is a virtual server that uses it.
func localGroup(line string) string { return "local_address_group l {\n" + line + "\n}\n" }

const fnat = vs + " protocol TCP\n lb_kind FNAT\n laddr_group_name l\n}\n"

const user = "virtual_server group g {\n}\n"

// TestMistakesTogether checks that all mistakes are reported at once.
func TestMistakesTogether(t *testing.T) {
	_, err := load(memory{"f": vs + " lb_kind A\n protocol B\n}"}, "f", "")
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Fatal(err)
	}
}

// TestUnreadable loads an absent file and a folder.
func TestUnreadable(t *testing.T) {
	for _, name := range []string{"testdata/nothing.conf", "testdata"} {
		if _, err := Load(name, ""); err == nil || !strings.Contains(err.Error(), "cannot read "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConditionsWithoutHost checks that lines for single hosts are left out and noted.
func TestConditionsWithoutHost(t *testing.T) {
	i, err := load(memory{"f": rs + "}\nprotocol TCP\n@a lb_kind DR\n@^b lb_kind DR\n}"}, "f", "")
	if err != nil || i.Services[0].Mode != lvs.NAT || len(i.Left) != 2 ||
		!strings.HasPrefix(i.Left[1], "f:6: @^b lb_kind: ") {
		t.Fatal(i, err)
	}
}

// TestManyPlaces checks that a kind of key is noted once, with its places.
func TestManyPlaces(t *testing.T) {
	text := memory{"f": strings.Repeat("vrrp_instance a {\n}\n", 60) + "include g", "g": "vrrp_instance {\n}"}
	i, err := load(text, "f", "")
	if err != nil || len(i.Left) != 1 || !strings.HasPrefix(i.Left[0], "f:1: vrrp_instance: ") ||
		!strings.HasSuffix(i.Left[0], ", 99, 101, 10 more)") {
		t.Fatal(i, err)
	}
}

// TestWhatDefinitionsMultiply checks that definitions cannot expand without limit.
func TestWhatDefinitionsMultiply(t *testing.T) {
	text := "$A=" + strings.Repeat("$A ", 100) + "\n$B= \\\n" + strings.Repeat("$B \\\n", 100) + "\n$A\n$B\n"
	if _, err := load(memory{"f": text}, "f", ""); err == nil || !strings.Contains(err.Error(), "definitions use each other") {
		t.Fatal(err)
	}
}

// FuzzLoad checks that the result of every accepted file is valid TOML, and that its checks can be
// made. Other values may be wrong.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"web", "mixed", "definitions", "groups", "hosts", "methods", "quoting", "dpvs", "marks", "checks", "pool"} {
		text, err := os.ReadFile("testdata/" + name + ".conf")
		if err != nil {
			f.Fatal(err)
		}
		f.Add("f", string(text))
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		i, err := load(memory{name: text}, name, "fra2")
		if err != nil || len(i.Services) > 100 { // the services of a range are all alike
			return
		}
		_, err = config.Parse("out", []byte(i.TOML()))
		problems, _ := err.(config.Problems)
		for _, p := range problems {
			if p.Key == "syntax" || strings.Contains(p.Key, "health") {
				t.Fatalf("%v in\n%s", p, i.TOML())
			}
		}
	})
}

// TestWeightOfAll checks that real servers without a weight have the virtual server's, wherever it
// stands. Without it they have weight 1.
func TestWeightOfAll(t *testing.T) {
	const servers = " protocol TCP\n real_server 1.2.3.5 80 {\n weight 0\n }\n real_server 1.2.3.6 80 {\n }\n"
	for text, want := range map[string]int{
		vs + " weight 7\n" + servers + "}": 7, vs + servers + " weight 7\n}": 7, vs + servers + "}": 1,
	} {
		i, err := load(memory{"f": text}, "f", "")
		if err != nil || len(i.Left) > 0 {
			t.Fatalf("%q: %v %q", text, err, i.Left)
		}
		if all := i.Services[0].RealServers; all[0].Weight != 0 || all[1].Weight != want {
			t.Errorf("%q: %+v", text, all)
		}
	}
}

// TestTunnels checks that the type may be anywhere among the options of a tunnel.
func TestTunnels(t *testing.T) {
	for options, want := range map[string]string{
		"": "ipip", "type ipip": "ipip", "nocsum type ipip": "ipip", "nocsum": "ipip",
		"type gue port 6080": "GUE", "port 6080 type gue": "GUE", "csum type gre": "GRE",
	} {
		if got := tunnel(lvs.IPIP, strings.Fields(options)).String(); got != want {
			t.Errorf("%q: %s, want %s", options, got, want)
		}
	}
}

// mostWork bounds the memory that a small file may allocate, in bytes. The worst file takes less.
// If the work grew with the square of the file's size, it would take far more.
const mostWork = 1 << 30

// TestBoundedWork checks that small hostile files do not cause endless work.
func TestBoundedWork(t *testing.T) {
	all := group(strings.Repeat("10.0.0.0/20 80\n", 16))
	apart := group("10.0.0.0/20 80\n10.0.0.1 80")
	nested := func() string {
		var lines strings.Builder
		for n := range 1 << 12 {
			fmt.Fprintf(&lines, "10.0.0.0-10.0.%d.%d 80\n", 1+n/256, n%256)
		}
		return group(lines.String())
	}()
	for _, tt := range []struct{ name, text, want string }{
		{"long definition", "$A=\\\n" + strings.Repeat("a\\\n", 1<<20) + "b\n", ""},
		{"long block name", "vrrp_instance " + strings.Repeat("a ", 50_000) + "{\n" + strings.Repeat("real_server\n", 20_000) + "}\n", "and more"},
		{"long pattern", "include " + strings.Repeat("{a,b}", 100_000), "f:1: path is longer than 4096 bytes"},
		{"many patterns", strings.Repeat("include "+strings.Repeat("{a,b}", 12)+"\n", 10_000), "or includes exceed 65536 paths"},
		{"group used often", all + strings.Repeat(user, 10_000), "more than 65536 services"},
		{"group with many real servers", apart + strings.TrimSuffix(user, "}\n") + strings.Repeat("real_server 1.2.3.4 80 {\n}\n", 300) + "}\n", "more than 1048576 real servers"},
		{"group with many checks", apart + strings.TrimSuffix(user, "}\n") + manyChecks() + "}\n", "more than 1048576 real servers"},
		{"local addresses used often", apart + localGroup("10.9.0.0/20") + strings.Replace(fnat, "1.2.3.4 80", "group g", 1), "more than 4194304 local addresses"},
		{"nested ranges", nested + user, "65536 services"},
		{"group of no hosts used often", group(strings.Repeat("127.0.0.0/20 80\n", 16)) + strings.Repeat(user, 10_000), ""},
	} {
		before := allocated()
		_, err := load(memory{"f": tt.text}, "f", "")
		if work := allocated() - before; work > mostWork {
			t.Errorf("%s: %d MiB were allocated", tt.name, work>>20)
		}
		if text := fmt.Sprint(err); !strings.Contains(text, tt.want) || tt.want == "" && err != nil {
			t.Errorf("%s: %.300s; want %q", tt.name, text, tt.want)
		}
	}
}

// manyChecks returns real servers whose checks all differ.
func manyChecks() string {
	var text strings.Builder
	for n := range 300 {
		fmt.Fprintf(&text, "real_server 1.2.%d.%d 80 {\nTCP_CHECK {\nretry %d\n}\n}\n", n/250, n%250+1, n)
	}
	return text.String()
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
