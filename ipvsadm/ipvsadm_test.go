package ipvsadm

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fulcrum/config"
	"fulcrum/lvs"
)

const base = `
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24", "fd00::1/64"]
[[port]]
name = "back"
device = "net_null1"
addresses = ["10.1.0.1/24", "10.8.0.1/24"]
[session]
max = 1000
max_v6 = 1000
`

func baseConfig(t testing.TB) *config.Config {
	t.Helper()
	c, err := config.Parse("base.toml", []byte(base))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// restored returns the base configuration with rules applied, checked like a file.
func restored(t testing.TB, rules string) (*config.Config, error) {
	t.Helper()
	all, err := ReadRules(strings.NewReader(rules))
	if err != nil {
		return nil, err
	}
	return Changed(baseConfig(t), all)
}

func saved(t testing.TB, c *config.Config) string {
	t.Helper()
	var text strings.Builder
	if err := WriteRules(&text, c); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// TestRecorded restores recorded output of ipvsadm-save -n and checks that -S prints the same.
func TestRecorded(t *testing.T) {
	for _, file := range []string{
		"testdata/routing.rules", "testdata/masquerading.rules", "testdata/six.rules",
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c, err := restored(t, string(text))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if got := saved(t, c); got != string(text) {
			t.Errorf("%s comes back as\n%s", file, got)
		}
	}
}

func TestCommandLines(t *testing.T) {
	for line, want := range map[string]string{
		"-A -t 10.0.0.100:80":   "ok",
		"-At10.0.0.100:80 -srr": "ok",
		"--add-service --tcp-service=10.0.0.100:80 --scheduler rr":                          "ok",
		"-A -u [fd00::100]:53 -6":                                                           "ok",
		"-a -t 10.0.0.100:80 -r 10.1.0.11 -m -w 0 -x 10 -y 5":                               "ok",
		"-a -t 10.0.0.100:80 -r 10.1.0.11:80 --fullnat --local-address 10.1.0.50,10.1.0.51": "ok",
		"-a -t 10.0.0.100:80 -r 10.1.0.11 -i -w 1 --tun-type ipip":                          "ok",
		"-Ln": "ok", "-Lnc": "ok", "-L -n --stats --exact": "ok", "-l --rate": "ok", "-L --timeout": "ok", "-C": "ok", "-S -n": "ok", "-R": "ok",
		"-LnX --stats": "ok", "-Ln --nosort": "ok", "-Ln --sort": "ok", "-Lnc --persistent-conn": "ok", "-Ln --tun-info": "ok", "-v": "ok", "": "ok",
		"-Ln --stats -t 10.0.0.1:80": "ok", "-Z": "ok", "-Z -t 10.0.0.100:80": "ok",
		"-n":                                                "missing command",
		"-A":                                                "needs a service",
		"-A -t www.example.com:http":                        "ipvsadm-save -n",
		"-A -t 10.0.0.100:httpp":                            "unknown tcp port \"httpp\": write a number from 0 to 65535",
		"-A -t 10.0.0.100:70000":                            "unknown tcp port \"70000\"",
		"-A -t 10.0.0.100:":                                 "unknown tcp port \"\"",
		"-A -t fd00::100:http":                              "invalid service \"fd00::100:http\"",
		"-A --sctp-service 10.0.0.100:m3ua":                 "unknown sctp port \"m3ua\"",
		"-a -t 10.0.0.100:80 -r 1.2.3.4:httpp":              "unknown tcp port \"httpp\"",
		"-A -t 10.0.0.100:80 -u 10.0.0.1:1":                 "more than one service",
		"-A -D -t 10.0.0.100:80":                            "more than one command",
		"-a -t 10.0.0.100:80":                               "needs a real server",
		"-a -r 10.1.0.11:http":                              "needs a service",
		"-A -t 10.0.0.100:80 -r 10.1.0.1":                   "takes no real server",
		"-a -t 10.0.0.100:80 -r x":                          "invalid real server \"x\"",
		"-a -t 10.0.0.100:80 -r 1.2.3.4 -g -m":              "more than one forwarding method",
		"-a -t 10.0.0.100:80 -r 1.2.3.4 -w 70000":           "invalid weight \"70000\"",
		"-A -t 10.0.0.100:80 -w 1":                          "takes no weight",
		"-a -t 10.0.0.100:80 -r 1.2.3.4 -s rr":              "takes no scheduler",
		"-a -t 10.0.0.100:80 -r 1.2.3.4 -m --tun-type ipip": "--tun-type needs -i",
		"-a -t 10.0.0.100:80 -r 1.2.3.4 -i --tun-type x":    "unknown tunnel type \"x\"",
		"-A -t 10.0.0.100:80 --local-address x":             "invalid local address \"x\"",
		"-A -t 10.0.0.100:80 -m --local-address 10.1.0.50":  "--local-address needs --fullnat",
		"-L --numeric=3":                                    "--numeric takes no argument",
		"--A -t 10.0.0.100:80":                              "a single letter takes one dash",
		"-C -t 10.0.0.100:80":                               "-C takes no service",
		"-D -t 10.0.0.100:80 -s rr":                         "-D takes no scheduler",
		"-A -n -t 10.0.0.100:80":                            "-A takes no numeric form",
		"-Z --stats":                                        "-Z takes no statistics list",
		"-Lnc -t 10.0.0.100:80":                             "cannot be combined with",
		"-Lnc --stats":                                      "cannot be combined with",
		"-L -t":                                             "needs an argument",
		"-K":                                                "unknown option",
		"frob":                                              "unknown option",
		"-A -f 1":                                           "ok",
		"-A -f 7 -6 -s rr":                                  "ok",
		"-A -f 0":                                           "illegal firewall mark specified",
		"-A -f x":                                           "illegal firewall mark specified",
		"-A -t 10.0.0.100:0 -p 300":                         "ok",
		"-A -t 10.0.0.100:0":                                "Zero port specified for non-persistent service",
		"-a -f 7 -r 10.1.0.11 -g":                           "ok",
		"-A -t 10.0.0.100:80 -p 300":                        "ok",
		"-A -t 10.0.0.100:80 -p":                            "ok",
		"-A -p -t 10.0.0.100:80":                            "ok",
		"-A -t 10.0.0.100:80 -p600 -M 255.0.0.0":            "ok",
		"-A -t 10.0.0.100:80 --persistent=600":              "ok",
		"-A -u 10.0.0.100:80 -p --pe sip":                   "ok",
		"-A -u 10.0.0.100:80 --pe sip":                      "--pe needs -p",
		"-A -u 10.0.0.100:80 -p --pe quic":                  "unknown persistence engine \"quic\"",
		"-A -u 10.0.0.100:80 -p --pe=":                      "unknown persistence engine \"\"",
		"-a -u 10.0.0.100:80 -r 10.1.0.11 --pe sip":         "takes no persistence engine",
		"-A -t [fd00::100]:80 -p -M 64":                     "ok",
		"-A -t 10.0.0.100:80 -p 0":                          "invalid persistence timeout \"0\"",
		"-A -t 10.0.0.100:80 -p x":                          "invalid persistence timeout \"x\"",
		"-A -t 10.0.0.100:80 -p -M 255.0.255.0":             "illegal virtual server persistent mask specified",
		"-A -t 10.0.0.100:80 -p -M 24":                      "illegal virtual server persistent mask specified",
		"-A -t [fd00::100]:80 -p -M 129":                    "illegal ipv6 netmask specified",
		"-a -t 10.0.0.100:80 -r 10.1.0.11 -p 5":             "takes no persistence timeout",
		"-A -t 10.0.0.100:80 -b sh-port":                    "incompatible scheduler flag `sh-port': it is one of sh, not of wlc",
		"-A -t 10.0.0.100:80 -s mh -b sh-port":              "incompatible scheduler flag `sh-port': it is one of sh, not of mh",
		"-A -t 10.0.0.100:80 -s sh -b sh-port,sh-hash":      "invalid scheduler flag `sh-hash'",
		"-A -t 10.0.0.100:80 -s rr -b flag-1":               "incompatible scheduler flag `flag-1': it means nothing to rr",
		"-E -t 10.0.0.100:80 -b mh-port -s mh":              "ok",
		"-A -t 10.0.0.100:80 -b mh-port -b mh-port -s mh":   "more than one scheduler flag list",
		"-D -t 10.0.0.100:80 -b sh-port":                    "takes no scheduler flag list",
		"-A -t 10.0.0.100:80 -s sh -b":                      "-b needs an argument",
		"-A -u 10.0.0.100:80 -o":                            "ok",
		"-E -u [fd00::100]:80 --ops -p 50":                  "ok",
		"-A -t 10.0.0.100:80 -o":                            "One-Packet Scheduling is only for UDP virtual services",
		"-E -o --sctp-service 10.0.0.100:80":                "One-Packet Scheduling is only for UDP virtual services",
		"-A -u 10.0.0.100:80 -o -o":                         "more than one one-packet flag",
		"-A -u 10.0.0.100:80 --ops=1":                       "--ops takes no argument",
		"-a -u 10.0.0.100:80 -r 10.1.0.11 -o":               "takes no one-packet flag",
		"-D -u 10.0.0.100:80 -o":                            "takes no one-packet flag",
		"-a -t 10.0.0.100:80 -r 1.2.3.4 -i --tun-type gue --tun-port 6080": "GUE",
		"--set 900 120 300": "ok", "--set 0 0 300": "ok", "--set 1 2": "three timeouts", "--set 1 2 x": "invalid timeout \"x\"", "--set 1 2 9999999": "invalid timeout \"9999999\"",
		"--set 1 2 3 4": "unknown option", "--set 1 2 3 -n": "--set takes no numeric form",
		"--start-daemon master": "synchronisation",
	} {
		_, err := Parse(strings.Fields(line))
		switch {
		case want == "ok" && err != nil:
			t.Errorf("%s: %v", line, err)
		case want != "ok" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v; want %q", line, err, want)
		case err != nil && IsUsage(err) == errors.Is(err, ErrNotHere):
			t.Errorf("%s: usage or not here? %v", line, err)
		}
	}
}

func TestChangesThatFail(t *testing.T) {
	for rules, want := range map[string]string{
		"-A -t 10.0.0.100:80\n-A -t 10.0.0.100:80":                                                              "line 2: Service already exists",
		"-D -t 10.0.0.100:80":                                                                                   "line 1: No such service: tcp 10.0.0.100:80",
		"-a -t 10.0.0.100:80 -r 10.0.0.11":                                                                      "No such service",
		"-A -t 10.0.0.100:80\n-d -t 10.0.0.100:80 -r 10.0.0.11":                                                 "No such destination",
		"-A -t 10.0.0.100:80\n-a -t 10.0.0.100:80 -r 10.0.0.11\n-a -t 10.0.0.100:80 -r 10.0.0.11":               "line 3: Destination already exists",
		"-A -t 10.0.0.100:80\n-a -t 10.0.0.100:80 -r 10.0.0.11 -m\n-a -t 10.0.0.100:80 -r 10.0.0.12:81":         "line 3: service.real_server.address: ",
		"-A -t 10.0.0.100:80\n-a -t 10.0.0.100:80 -r 10.0.0.11 -m\n-a -t 10.0.0.100:80 -r 10.0.0.12 --fullnat":  "line 3: service.real_server.mode: ",
		"-A -t 10.0.0.100:80\n-a -t 10.0.0.100:80 -r 10.0.0.11:81 -m\n-e -t 10.0.0.100:80 -r 10.0.0.11:81 -w 2": "line 3: service.real_server.address: ",
		"-A -t 10.0.0.100:81\n-A -t 10.0.0.100:80 -s conhash\n-A -t 10.0.0.100:82\n-D -t 10.0.0.100:81":         "line 2: service.scheduler: ",
		"-A -t 10.0.0.100:80\n# rr\n-a -t 10.0.0.100:80 -r 10.0.0.11:81 -g":                                     "line 3: service.real_server.address: ",
		"-A -t 10.0.0.100:80\n\n# comment\n-K":                                                                  "line 4: unknown option \"-K\"",
		"-L":                                                                                                    "cannot be restored",
		"-A -t 10.0.0.100:80\n-a -t 10.0.0.100:80 -r 10.1.0.11 --fullnat":                                       "line 2: service",
		"-A -t 10.0.0.100:80\n-A -t 10.0.0.101:80 " + strings.Repeat("x", maxLine):                              "line 2",
	} {
		if _, err := restored(t, rules); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", rules, err, want)
		}
	}
}

// TestPortNames checks that names of ports are those of /etc/services, by the service's protocol,
// wherever it stands.
func TestPortNames(t *testing.T) {
	for line, want := range map[string][2]string{
		"-a -t 10.0.0.100:http -r 10.0.0.11:https": {"10.0.0.100:80", "10.0.0.11:443"},
		"-a -r 10.0.0.11:domain -u 10.0.0.100:53":  {"10.0.0.100:53", "10.0.0.11:53"},
		"-a -t [fd00::100]:http -r [fd00::11]:443": {"[fd00::100]:80", "[fd00::11]:443"},
	} {
		k, err := Parse(strings.Fields(line))
		if err != nil || k.Service.Address.String() != want[0] || k.Server.String() != want[1] {
			t.Errorf("%s: %s %s %v", line, k.Service.Address, k.Server, err)
		}
	}
}

// TestAllPorts checks that a service of all ports is refused as ipvsadm refuses it, and that no
// other command finds one.
func TestAllPorts(t *testing.T) {
	for _, vip := range []string{"10.0.0.100:0", "10.0.0.100", "10.0.0.100:000"} {
		for line, want := range map[string]string{
			"-A -t %s":                "Zero port specified for non-persistent service",
			"-E -t %s -s rr":          "Zero port specified for non-persistent service",
			"-a -t %s -r 10.0.0.11:0": "No such service: tcp 10.0.0.100:0",
			"-d -t %s -r 10.0.0.11":   "No such service: tcp 10.0.0.100:0",
			"-D -t %s":                "No such service: tcp 10.0.0.100:0",
		} {
			line = fmt.Sprintf(line, vip)
			if _, err := restored(t, line); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want %q", line, err, want)
			}
		}
	}
}

// TestAllPortsAndMarks checks that services of all ports and of marks come back as they were saved,
// and are listed as ipvsadm lists them.
func TestAllPortsAndMarks(t *testing.T) {
	const rules = "-A -t 10.0.0.100:0 -s wlc -p 600\n" +
		"-a -t 10.0.0.100:0 -r 10.0.0.11:0 -g -w 1\n" +
		"-A -f 7 -s rr -p 300 -M 255.255.255.0\n" +
		"-a -f 7 -r 10.0.0.11:0 -g -w 1\n" +
		"-A -f 7 -6 -s rr\n" +
		"-a -f 7 -6 -r [fd00::11]:0 -g -w 3\n"
	all, err := ReadRules(strings.NewReader(rules))
	if err != nil {
		t.Fatal(err)
	}
	c := baseConfig(t)
	c.Marks = []config.Mark{{Number: 7, Match: []lvs.Match{
		lvs.MatchOf(lvs.TCP, netip.MustParseAddrPort("10.0.0.101:80")),
		lvs.MatchOf(lvs.UDP, netip.MustParseAddrPort("[fd00::101]:53")),
	}}}
	c, err = Changed(c, all)
	if err != nil {
		t.Fatal(err)
	}
	if got := saved(t, c); got != rules {
		t.Errorf("saved:\n%s", got)
	}
	for i, want := range []string{"TCP  10.0.0.100:0", "FWM  7", "FWM  7 IPv6"} {
		if got := nameOf(c.Services[i].ID()); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestMarkWithoutMatches checks that a rule for a mark which the configuration does not have is
// refused, with its line.
func TestMarkWithoutMatches(t *testing.T) {
	_, err := restored(t, "-A -t 10.0.0.100:80 -s rr\n-A -f 7 -s rr\n")
	if err == nil || !strings.HasPrefix(err.Error(), "line 2: service.mark: no mark has number 7; add a [[mark]]") {
		t.Errorf("%v", err)
	}
}

// TestRangesHaveNoRules checks that services which rules cannot say are not saved in part.
func TestRangesHaveNoRules(t *testing.T) {
	m, err := lvs.ParseMatch("tcp 10.0.0.0/28:8000-8100")
	if err != nil {
		t.Fatal(err)
	}
	c := &config.Config{Services: []config.Service{{
		Name: "many", Protocol: lvs.TCP, Addresses: []lvs.Match{m},
		Address: netip.AddrPortFrom(m.First, m.Ports.First),
	}}}
	if err := WriteRules(io.Discard, c); err == nil || !strings.Contains(err.Error(), "service many") {
		t.Errorf("%v", err)
	}
	if got := nameOf(c.Services[0].ID()); got != "TCP  10.0.0.0/28:8000-8100" {
		t.Errorf("%q", got)
	}
}

// TestDPVSOptions checks that each option of DPVS's ipvsadm is refused with what it is there, and
// what to write instead.
func TestDPVSOptions(t *testing.T) {
	const about = " -t 10.0.0.100:80"
	for line, want := range map[string]string{
		"-a -r 10.1.0.11 -b" + about:        "-b: not supported by Fulcrum: DPVS's mode fullnat is --fullnat",
		"-a --fullnat -z 10.1.0.5" + about:  "-z: not supported by Fulcrum: DPVS's local addresses",
		"-P -z 10.1.0.5" + about:            "-P: not supported by Fulcrum: DPVS's local addresses",
		"--add-laddr -z 10.1.0.5" + about:   "--add-laddr: not supported by Fulcrum: DPVS's local addresses",
		"--del-laddr -z 10.1.0.5" + about:   "--del-laddr: not supported by Fulcrum: DPVS's local addresses",
		"-Q -z 10.1.0.5" + about:            "DPVS's local addresses",
		"-G":                                "DPVS's local addresses",
		"--get-laddr":                       "DPVS's local addresses",
		"--laddr=10.1.0.5":                  "DPVS's local addresses",
		"-F dpdk0":                          "routes choose the port",
		"--ifname dpdk0":                    "routes choose the port",
		"-A -j enable" + about:              "SYN proxy",
		"--synproxy disable":                "SYN proxy",
		"-U -k 10.9.0.1" + about:            "lists of clients",
		"--get-blklst":                      "lists of clients",
		"--add-whtlst":                      "lists of clients",
		"-a -r 10.1.0.11 -J" + about:        "SNAT",
		"-A -H proto=tcp,oif=dpdk0":         "SNAT",
		"-A -q 10.0.0.100:0":                "services of ICMP",
		"-A --conn-timeout 60" + about:      "session.timeouts",
		"-Y -k 10.9.0.1" + about:            "consistent hashing, or lists of clients",
		"-A --hash-target sip" + about:      "consistent hashing",
		"-A --proxy-protocol v2" + about:    "PROXY protocol",
		"-A --dest-check default" + about:   "checks of real servers",
		"-A --expire-quiescent" + about:     "expire_quiescent",
		"-A -u 10.0.0.100:443 --quic":       "QUIC",
		"-L --cpu 1":                        "fulcrum workers",
		"-Lc --sockpair tcp:1:2:3:4":        "fulcrum sessions",
		"--start-daemon master --syncid 1 ": "synchronisation",
	} {
		_, err := Parse(strings.Fields(line))
		if !errors.Is(err, ErrNotHere) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", line, err, want)
		}
	}
}

// TestRecordedRefusals restores rules that Fulcrum cannot execute, or that have names.
func TestRecordedRefusals(t *testing.T) {
	for file, want := range map[string]string{
		"dpvs": "line 2: -b: not supported by Fulcrum: DPVS's mode fullnat is --fullnat",
	} {
		text, err := os.ReadFile("testdata/refused/" + file + ".rules")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := restored(t, string(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", file, err, want)
		}
	}
}

// TestRecordedNames restores what ipvsadm-save prints without -n.
func TestRecordedNames(t *testing.T) {
	text, err := os.ReadFile("testdata/port-names.rules")
	if err != nil {
		t.Fatal(err)
	}
	c, err := restored(t, string(text))
	if err != nil {
		t.Fatal(err)
	}
	const want = "-A -t 10.8.0.2:80 -s rr\n-a -t 10.8.0.2:80 -r 10.8.0.99:80 -g -w 1\n"
	if got := saved(t, c); got != want {
		t.Errorf("%s", got)
	}
}

// TestManyLocalAddresses saves and restores a service with the maximum of local addresses.
func TestManyLocalAddresses(t *testing.T) {
	address := netip.MustParseAddr("fd00::aaaa:bbbb:cccc:1000")
	var all []string
	for range 4096 {
		all, address = append(all, address.String()), address.Next()
	}
	rules := "-A -t [fd00::100]:80 -s rr --fullnat --local-address " + strings.Join(all, ",") + "\n"
	c, err := restored(t, rules)
	if err != nil {
		t.Fatal(err)
	}
	if got := saved(t, c); got != rules {
		t.Errorf("%.200s", got)
	}
}

// TestBlame checks that the error names the line that introduces it. An earlier line with an
// error that later lines mend is not named.
func TestBlame(t *testing.T) {
	const service = "-A -t 10.0.0.100:80 --fullnat\n"
	const mended = "-a -t 10.0.0.100:80 -r 10.1.0.11 --fullnat --local-address 10.1.0.50\n"
	const other = "-A -t 10.0.0.101:80 -s rr\n"
	for rules, want := range map[string]string{
		service + mended + service:                         "line 3: Service already exists",
		service + mended + "-D -t 10.0.0.9:80\n":           "line 3: No such service",
		service + mended + "-A -t 10.0.0.100:81 -s frob\n": "line 3: service.scheduler",
		other + service + other + mended:                   "line 3: Service already exists",
		service:                                            "line 1: service.local_addresses",
	} {
		if _, err := restored(t, rules); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s%v; want %q", rules, err, want)
		}
	}
}

// TestSetTimeouts checks that --set changes the timeouts that the kernel changes, and keeps those
// given as 0.
func TestSetTimeouts(t *testing.T) {
	k, err := Parse(strings.Fields("--set 90 0 7"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Changed(baseConfig(t), []Command{k})
	if err != nil {
		t.Fatal(err)
	}
	s := c.Session.Timeouts
	if s[lvs.StateEstablished] != 90*time.Second || s[lvs.StateFinWait] != 120*time.Second ||
		s[lvs.StateUDP] != 7*time.Second {
		t.Errorf("%+v", s)
	}
	var shown strings.Builder
	err = WriteTimeouts(&shown, s)
	if err != nil || shown.String() != "Timeout (tcp tcpfin udp): 90 120 7\n" {
		t.Errorf("%q, %v", shown.String(), err)
	}
	k.Timeouts[0] = mostTimeout
	_, err = Changed(baseConfig(t), []Command{k})
	if err == nil || !strings.HasPrefix(err.Error(), "session.timeouts.established: ") {
		t.Error(err)
	}
}

// TestEditsBeginAnew checks that an edit resets what it does not give to ipvsadm's default.
func TestEditsBeginAnew(t *testing.T) {
	rules := "-A -t 10.0.0.100:80 -s rr\n-a -t 10.0.0.100:80 -r 10.0.0.11:8080 -m -w 5 -x 10 -y 8\n"
	for edit, want := range map[string]string{
		"-E -t 10.0.0.100:80": "-A -t 10.0.0.100:80 -s wlc\n-a -t 10.0.0.100:80 -r 10.0.0.11:8080 -m -w 5 -x 10 -y 8\n",
		"-e -t 10.0.0.100:80 -r 10.0.0.11:8080 --fullnat --local-address 10.1.0.50": "-A -t 10.0.0.100:80 -s rr --fullnat --local-address 10.1.0.50\n-a -t 10.0.0.100:80 -r 10.0.0.11:8080 --fullnat -w 1\n",
		"-e -t 10.0.0.100:80 -r 10.0.0.11:8080 -m -x 20":                            "-A -t 10.0.0.100:80 -s rr\n-a -t 10.0.0.100:80 -r 10.0.0.11:8080 -m -w 1 -x 20\n",
	} {
		c, err := restored(t, rules+edit)
		if err != nil {
			t.Fatal(err)
		}
		if got := saved(t, c); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", edit, got, want)
		}
	}
}

// TestMethodsPerServer checks that each real server has the forwarding method of its command, and
// that the others keep theirs.
func TestMethodsPerServer(t *testing.T) {
	const service, about = "-A -t 10.0.0.100:80 -s rr", "\n-a -t 10.0.0.100:80 -r 10.0.0."
	const locals = " --fullnat --local-address 10.1.0.50"
	all := service + locals + about + "11:80 -g -w 1" + about + "12:8080 -m -w 1" +
		about + "13:80 -i -w 1 --tun-type ipip" + about + "14:81 --fullnat -w 1\n"
	edit := func(s string) string { return "-e -t 10.0.0.100:80 -r 10.0.0." + s }
	for commands, want := range map[string]string{
		all: all,
		// The first real server gives the service its method, and -g is the default of all.
		service + about + "11 -m" + about + "12": service + about + "11:80 -m -w 1" + about + "12:80 -g -w 1\n",
		service + about + "11 -m" + about + "12 -m\n" + edit("11 -i"): service + about +
			"11:80 -i -w 1 --tun-type ipip" + about + "12:80 -m -w 1\n",
		service + about + "11 -m" + about + "12 -m\n" + edit("11 -w 3"): service + about +
			"11:80 -g -w 3" + about + "12:80 -m -w 1\n",
		// fullnat is the default where -A asked for it.
		service + locals + about + "11" + about + "12 -g\n" + edit("11 -w 2"): service + locals + about +
			"11:80 --fullnat -w 2" + about + "12:80 -g -w 1\n",
		// Local addresses come and go with the first and the last real server that uses them.
		service + about + "11 -m" + about + "12" + locals: service + locals + about + "11:80 -m -w 1" +
			about + "12:80 --fullnat -w 1\n",
		service + about + "11 -m" + about + "12" + locals + "\n-d -t 10.0.0.100:80 -r 10.0.0.12": service +
			about + "11:80 -m -w 1\n",
		service + about + "11 -m" + about + "12" + locals + "\n" + edit("12 -g"): service +
			about + "11:80 -m -w 1" + about + "12:80 -g -w 1\n",
		// The service's method is that of real servers to come.
		service + about + "11 -m\n-E -t 10.0.0.100:80 -s rr" + locals + about + "12": service + locals +
			about + "11:80 -m -w 1" + about + "12:80 --fullnat -w 1\n",
	} {
		c, err := restored(t, commands)
		if err != nil {
			t.Fatalf("%s: %v", commands, err)
		}
		if got := saved(t, c); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", commands, got, want)
		}
	}
}

// TestSaveAndRestore checks that ReadRules reads what WriteRules writes.
func TestSaveAndRestore(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := baseConfig(t)
		for i := range rapid.IntRange(0, 4).Draw(r, "services") {
			s := config.Service{
				Protocol:  rapid.SampledFrom(lvs.Protocols()).Draw(r, "protocol"),
				Address:   netip.AddrPortFrom(netip.MustParseAddr("10.0.0.100"), uint16(80+i)),
				Mode:      rapid.SampledFrom(lvs.Modes()).Draw(r, "mode"),
				Scheduler: rapid.SampledFrom(lvs.Schedulers()).Draw(r, "scheduler"),
				Echo:      true,
			}
			if len(s.Scheduler.FlagNames(lvs.AllSchedulerFlags)) > 0 {
				s.SchedulerFlags = lvs.SchedulerFlags(rapid.IntRange(0, 3).Draw(r, "flags"))
			}
			if rapid.Bool().Draw(r, "persistent") {
				s.Persistence, s.PersistenceMask = 50*time.Second, 24
			}
			s.Name = s.ID().Name()
			for j := range rapid.IntRange(1, 3).Draw(r, "servers") {
				s.RealServers = append(s.RealServers, config.RealServer{
					Address:        netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(11 + j)}), s.Address.Port()),
					Mode:           rapid.SampledFrom(ownModes()).Draw(r, "own mode"),
					Weight:         rapid.IntRange(0, 9).Draw(r, "weight"),
					UpperThreshold: 10 * j,
				})
			}
			if s.HasLocals() {
				s.LocalAddresses = []netip.Addr{
					netip.MustParseAddr("10.1.0.50"), netip.MustParseAddr("10.1.0.51"),
				}
			}
			s.OnePacket = s.Protocol == lvs.UDP && !s.HasLocals() && rapid.Bool().Draw(r, "one packet")
			c.Services = append(c.Services, s)
		}
		text := saved(t, c)
		again, err := restored(t, text)
		if err != nil || saved(t, again) != text || !slices.EqualFunc(c.Services, again.Services, sameSettings) {
			r.Fatalf("%v:\n%s", err, text)
		}
	})
}

// TestSchedulerFlags adds and edits services with flags, saves them and lists them.
func TestSchedulerFlags(t *testing.T) {
	const vip = "-t 10.0.0.100:80 "
	for line, want := range map[string]string{
		"-A " + vip + "-s mh -b mh-port,mh-fallback":           "-s mh -b mh-fallback,mh-port",
		"-A " + vip + "-s sh --sched-flags=sh-port":            "-s sh -b sh-port",
		"-A " + vip + "-s sh -b flag-1":                        "-s sh -b sh-fallback",
		"-A " + vip + "-b flag-2,flag-1 -s mh":                 "-s mh -b mh-fallback,mh-port",
		"-A " + vip + "-s mh -b mh-port\n-E " + vip + "-s mh":  "-s mh",
		"-A " + vip + "-s mh -b mh-port\n-E " + vip + "-s sh":  "-s sh",
		"-A " + vip + "-s rr\n-E " + vip + "-s sh -b sh-port,": "-s sh -b sh-port",
	} {
		c, err := restored(t, line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		} else if got := saved(t, c); got != "-A -t 10.0.0.100:80 "+want+"\n" {
			t.Errorf("%s: saved as\n%s", line, got)
		}
	}
	got, err := listed(t, "-Ln", []Service{{
		ID: lvs.ServiceID{Protocol: lvs.TCP, Address: at("10.0.0.100:80")}, Scheduler: "mh",
		Flags: []string{"mh-fallback", "mh-port"},
	}})
	if want := "TCP  10.0.0.100:80 mh (mh-fallback,mh-port)\n"; err != nil ||
		!strings.HasSuffix(got, want) {
		t.Errorf("%v: listed as\n%s", err, got)
	}
}

// sameSettings is sameModes, and compares what else rules say of services.
func sameSettings(a, b config.Service) bool {
	return sameModes(a, b) && a.OnePacket == b.OnePacket && a.Persistence == b.Persistence &&
		a.SchedulerFlags == b.SchedulerFlags
}

func ownModes() []lvs.OwnMode {
	all := []lvs.OwnMode{lvs.AsService}
	for _, m := range lvs.Modes() {
		all = append(all, lvs.Own(m))
	}
	return all
}

// sameModes reports whether the real servers of two services have the same modes, wherever these
// are stated.
func sameModes(a, b config.Service) bool {
	return slices.EqualFunc(a.RealServers, b.RealServers, func(x, y config.RealServer) bool {
		return a.ModeOf(x) == b.ModeOf(y)
	})
}

// Persistence is saved as ipvsadm does it, and restored from that.
func TestPersistence(t *testing.T) {
	for line, want := range map[string]string{
		"-t 10.0.0.100:80 -s rr -p":                       "-A -t 10.0.0.100:80 -s rr -p 360",
		"-t 10.0.0.100:80 -s rr -p 50 -M 255.255.255.255": "-A -t 10.0.0.100:80 -s rr -p 50",
		"-t 10.0.0.100:80 -s rr -p50 -M 255.255.255.0":    "-A -t 10.0.0.100:80 -s rr -p 50 -M 255.255.255.0",
		"-u 10.0.0.100:5060 -s rr -p 60 --pe sip":         "-A -u 10.0.0.100:5060 -s rr -p 60 --pe sip",
		"--pe=sip -u 10.0.0.100:5060 -p -M 255.255.0.0":   "-A -u 10.0.0.100:5060 -s wlc -p 360 -M 255.255.0.0 --pe sip",
		"-t 10.0.0.100:80 -s rr -p -M 128.0.0.0":          "-A -t 10.0.0.100:80 -s rr -p 360 -M 128.0.0.0",
	} {
		c, err := restored(t, "-A "+line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		rules := saved(t, c)
		if rules != want+"\n" {
			t.Errorf("%s: saved as\n%s", line, rules)
		}
		if again, err := restored(t, rules); err != nil || saved(t, again) != rules {
			t.Errorf("%s: %v, or not the same when restored", rules, err)
		}
	}
	c, err := restored(t, "-A -t 10.0.0.100:80 -p 50\n-E -t 10.0.0.100:80")
	if err != nil || saved(t, c) != "-A -t 10.0.0.100:80 -s wlc\n" {
		t.Errorf("%v: an edit without -p leaves it persistent", err)
	}
	if _, err := restored(t, "-A -t 10.0.0.100:80 -p 604801"); err == nil ||
		!strings.Contains(err.Error(), "out of range; write a duration from 0s to 168h") {
		t.Errorf("more than a week: %v", err)
	}
	if _, err := restored(t, "-A -t 10.0.0.100:80 -p --pe sip"); err == nil ||
		!strings.Contains(err.Error(), "sip is read in protocol udp only") {
		t.Errorf("sip over TCP: %v", err)
	}
}

// TestOnePacket: one-packet scheduling is saved and listed as ipvsadm does it, and an edit without
// -o ends it.
func TestOnePacket(t *testing.T) {
	const vip = "-u 10.0.0.100:53 "
	for line, want := range map[string]string{
		"-A " + vip + "-s rr -o":                         "-s rr -o",
		"-A " + vip + "-o -s sh -b sh-port -p 50":        "-s sh -b sh-port -p 50 -o",
		"-A " + vip + "-s rr -o\n-E " + vip + "-s rr":    "-s rr",
		"-A " + vip + "-s rr\n-E " + vip + "--ops -s rr": "-s rr -o",
		"-A -s wlc --ops --udp-service=10.0.0.100:53 -p": "-s wlc -p 360 -o",
	} {
		c, err := restored(t, line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		rules := saved(t, c)
		if rules != "-A "+vip+want+"\n" {
			t.Errorf("%s: saved as\n%s", line, rules)
		}
		if again, err := restored(t, rules); err != nil || saved(t, again) != rules {
			t.Errorf("%s: %v, or not the same when restored", rules, err)
		}
	}
	for locals, want := range map[string]string{
		"-a " + vip + "-r 10.1.0.11 --fullnat --local-address 10.1.0.50": "line 3: service.real_server.mode: ",
		"-E " + vip + "-o --local-address 10.1.0.50":                     "line 3: service.one_packet: ",
	} {
		_, err := restored(t, "-A "+vip+"-s rr -o\n-a "+vip+"-r 10.1.0.12 -i\n"+locals)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", locals, err, want)
		}
	}
	service := Service{
		ID: lvs.ServiceID{Protocol: lvs.UDP, Address: at("10.0.0.100:53")}, Scheduler: "rr", OnePacket: true,
	}
	for _, persistence := range []time.Duration{0, 50 * time.Second} {
		service.Persistence = persistence
		want := "UDP  10.0.0.100:53 rr ops\n"
		if persistence != 0 {
			want = "UDP  10.0.0.100:53 rr persistent 50 ops\n"
		}
		if got, err := listed(t, "-Ln", []Service{service}); err != nil || !strings.HasSuffix(got, want) {
			t.Errorf("%v: listed as\n%s", err, got)
		}
	}
}

// The texts behind the scheduler are those of ipvsadm's print_service_entry.
func TestPersistenceIsListed(t *testing.T) {
	for _, test := range []struct {
		vip    string
		mask   int
		engine lvs.PersistenceEngine
		want   string
	}{
		{"10.0.0.100:80", 32, 0, "persistent 330"},
		{"10.0.0.100:80", 32, lvs.EngineSIP, "persistent 330 pe sip"},
		{"10.0.0.100:80", 20, lvs.EngineSIP, "persistent 330 mask 255.255.240.0 pe sip"},
		{"10.0.0.100:80", 20, 0, "persistent 330 mask 255.255.240.0"},
		{"[fd00::100]:80", 128, 0, "persistent 330"},
		{"[fd00::100]:80", 64, 0, "persistent 330 mask 64"},
	} {
		services := []Service{{
			ID:        lvs.ServiceID{Protocol: lvs.TCP, Address: at(test.vip)},
			Scheduler: "rr", Persistence: 330 * time.Second, Mask: test.mask, Engine: test.engine,
			Servers: []Server{{Address: at("10.1.0.11:80"), Mode: lvs.DR, Weight: 1, Persistent: 7, Active: 2}},
		}}
		got, err := listed(t, "-Ln", services)
		if err != nil || !strings.Contains(got, "TCP  "+test.vip+" rr "+test.want+"\n") {
			t.Errorf("%v: want %s in\n%s", err, test.want, got)
		}
		got, err = listed(t, "-Ln --persistent-conn", services)
		const row = "  -> 10.1.0.11:80                 1         7           2          0         \n"
		if err != nil || !strings.HasSuffix(got, row) {
			t.Errorf("%v:\n%s", err, got)
		}
	}
}

// A template that is found by its Call-ID has an engine and data, as ip_vs_conn_seq_show writes
// them.
func TestCallsAreListed(t *testing.T) {
	c := Connection{
		Protocol: "udp", State: "NONE", Client: "198.51.100.1:0", VIP: "10.99.0.100:5060",
		Server: "10.99.1.12:5060", Left: 5 * time.Minute, Call: "9f86d081884c7d65",
	}
	const line = "UDP 05:00  NONE        198.51.100.1:0     10.99.0.100:5060   10.99.1.12:5060"
	for k, want := range map[bool]string{
		false: line + "\n", true: line + "    sip              9f86d081884c7d65\n",
	} {
		var out strings.Builder
		if WriteConnection(&out, Command{Persistent: k}, c); out.String() != want {
			t.Errorf("%q; want %q", out.String(), want)
		}
	}
}

// at parses an address and a port.
func at(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

func listed(t *testing.T, line string, services []Service) (string, error) {
	t.Helper()
	k, err := Parse(strings.Fields(line))
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	err = Write(&got, k, services, 4096)
	return got.String(), err
}

func TestWrite(t *testing.T) {
	const version = "IP Virtual Server version 1.2.1 (size=4096)\n"
	counters := Counters{5, 100, 99999999, 123456789, 1234567890}
	services := []Service{{
		ID: lvs.ServiceID{Protocol: lvs.TCP, Address: at("10.0.0.100:80")}, Scheduler: "wlc", Counters: counters,
		Servers: []Server{{Address: at("10.1.0.11:80"), Mode: lvs.IPIP, Weight: 1, Active: 2, Inactive: 3, Upper: 10, Lower: 5, Counters: counters}},
	}}
	plain := "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n" +
		"TCP  10.0.0.100:80 wlc\n  -> 10.1.0.11:80                 Tunnel  1      2          3         \n"
	for line, want := range map[string]string{
		"":                     version + plain,
		"-Ln":                  version + plain,
		"-Ln -t 10.0.0.100:80": plain,
		"-Ln --stats": version + "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n  -> RemoteAddress:Port\n" +
			"TCP  10.0.0.100:80                       5      100 99999999  123456K    1234M\n  -> 10.1.0.11:80                        5      100 99999999  123456K    1234M\n",
		"-Ln --thresholds": version + "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n  -> RemoteAddress:Port\n" +
			"TCP  10.0.0.100:80 wlc\n  -> 10.1.0.11:80                 10         5          2          3         \n",
		"-Ln --persistent-conn": version + "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n  -> RemoteAddress:Port\n" +
			"TCP  10.0.0.100:80 wlc\n  -> 10.1.0.11:80                 1         0           2          3         \n",
		"-Ln --tun-info": version + "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n" +
			"TCP  10.0.0.100:80 wlc\n  -> 10.1.0.11:80                 Tunnel  ipip          1      2          3         \n",
	} {
		if got, err := listed(t, line, services); err != nil || got != want {
			t.Errorf("%s: %v\n%q\nwant\n%q", line, err, got, want)
		}
	}
	got, err := listed(t, "-Ln -u 10.0.0.100:80", services)
	if err == nil || got != "" || err.Error() != "No such service: udp 10.0.0.100:80" {
		t.Errorf("%q %v", got, err)
	}
}

func TestLargeNumbers(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "        0", 99_999_999: " 99999999", 100_000_000: "  100000K", 999_999_999: "  999999K", 1_000_000_000: "    1000M",
		99_999_999_999: "   99999M", 100_000_000_000: "     100G", 99_999_999_999_999: "   99999G", 100_000_000_000_000: "     100T",
	} {
		if got := largeNumber(n, false); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if got := largeNumber(1_000_000_000, true); got != " 1000000000" {
		t.Errorf("%q", got)
	}
}

// TestOrder checks that lists are sorted unless --nosort is given.
func TestOrder(t *testing.T) {
	make := func() (all []Service) {
		for _, name := range []string{"tcp [fd00::1]:80", "udp 10.0.0.1:53", "tcp 10.0.0.10:80", "sctp 10.0.0.1:1", "tcp 10.0.0.9:443", "tcp 10.0.0.9:80"} {
			protocol, address, _ := strings.Cut(name, " ")
			number, _ := lvs.ParseProtocol(protocol)
			all = append(all, Service{ID: lvs.ServiceID{Protocol: number, Address: at(address)}, Scheduler: "rr"})
		}
		all[0].Servers = []Server{{Address: at("[fd00::12]:80")}, {Address: at("[fd00::11]:81")}, {Address: at("[fd00::11]:80")}}
		return all
	}
	for line, want := range map[string]string{
		"-Ln":          "10.0.0.9:80 10.0.0.9:443 10.0.0.10:80 10.0.0.1:53 10.0.0.1:1 [fd00::1]:80 [fd00::11]:80 [fd00::11]:81 [fd00::12]:80",
		"-Ln --nosort": "[fd00::1]:80 [fd00::12]:80 [fd00::11]:81 [fd00::11]:80 10.0.0.1:53 10.0.0.10:80 10.0.0.1:1 10.0.0.9:443 10.0.0.9:80",
	} {
		text, err := listed(t, line, make())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, row := range strings.Split(strings.TrimSpace(text), "\n")[3:] {
			got = append(got, strings.Fields(row)[1])
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %s, want %s", line, s, want)
		}
	}
}

// TestDifference checks the increase between two readings, which is 0 after a restart of the
// counters.
func TestDifference(t *testing.T) {
	reading := func(n uint64) []Service {
		return []Service{{
			ID: lvs.ServiceID{Protocol: lvs.TCP, Address: at("10.0.0.1:80")}, Counters: Counters{n, n, n, n, n},
			Servers: []Server{{Address: at("10.1.0.1:80"), Counters: Counters{n, 7, n, n, n}}},
		}}
	}
	got := Difference(reading(10), reading(4))[0]
	if want := (Counters{6, 6, 6, 6, 6}); got.Counters != want || got.Servers[0].InPackets != 0 {
		t.Errorf("%+v", got)
	}
	if got := Difference(reading(1), reading(4))[0]; got.Counters != (Counters{}) {
		t.Errorf("%+v", got)
	}
}

func TestWriteConnection(t *testing.T) {
	var got strings.Builder
	WriteConnectionTitle(&got, Command{})
	WriteConnection(&got, Command{}, Connection{"tcp", "ESTABLISHED", "198.51.100.7:4242", "10.0.0.100:80", "10.1.0.11:80", 897 * time.Second, ""})
	WriteConnection(&got, Command{}, Connection{"udp", "UDP", "198.51.100.7:4242", "10.0.0.100:53", "10.1.0.11:53", 6000 * time.Second, ""})
	WriteConnectionTitle(&got, Command{Persistent: true})
	want := "IPVS connection entries\npro expire state       source             virtual            destination\n" +
		"TCP 14:57  ESTABLISHED 198.51.100.7:4242  10.0.0.100:80      10.1.0.11:80\n" +
		"UDP 100:00 UDP         198.51.100.7:4242  10.0.0.100:53      10.1.0.11:53\n" +
		"IPVS connection entries\npro expire state       source             virtual            destination        pe name          pe_data\n"
	if got.String() != want {
		t.Errorf("%q, want %q", got.String(), want)
	}
}

func FuzzReadRules(f *testing.F) {
	f.Add("-A -t 10.0.0.100:80 -s rr\n-a -t 10.0.0.100:80 -r 10.0.0.11:80 -g -w 1\n")
	f.Add("-A -t 10.0.0.100:http -s rr\n-a -t 10.0.0.100:http -r 10.0.0.11:http -b\n--add-laddr -z 10.1.0.50\n")
	f.Add("-A -t 10.0.0.100:0 -p 600\n-a -r [fd00::11]: -t [fd00::100]:0\n")
	c := baseConfig(f)
	f.Fuzz(func(t *testing.T, rules string) {
		if all, err := ReadRules(strings.NewReader(rules)); err == nil {
			_, _ = Changed(c, all) // an error is fine
		}
	})
}

// Every SCTP state has the kernel's name in a listing, which fits its column.
func TestSCTPStatesOfConnections(t *testing.T) {
	want := map[lvs.State]string{
		lvs.StateNone: "NONE", lvs.StateSCTPInit1: "INIT1", lvs.StateSCTPInit: "INIT",
		lvs.StateSCTPCookieSent: "C-SENT", lvs.StateSCTPCookieReplied: "C-REPLIED",
		lvs.StateSCTPCookieWait: "C-WAIT", lvs.StateSCTPCookie: "COOKIE",
		lvs.StateSCTPCookieEchoed: "C-ECHOED", lvs.StateSCTPEstablished: "ESTABLISHED",
		lvs.StateSCTPShutdownSent: "S-SENT", lvs.StateSCTPShutdownReceived: "S-RECEIVED",
		lvs.StateSCTPShutdownAckSent: "S-ACK-SENT", lvs.StateSCTPRejected: "REJECTED",
		lvs.StateSCTPClosed: "CLOSED",
	}
	for state, name := range want {
		var got strings.Builder
		WriteConnection(&got, Command{}, Connection{"sctp", state.String(), "198.51.100.7:4242",
			"10.0.0.100:2905", "10.1.0.11:2905", 61 * time.Second, ""})
		line := fmt.Sprintf("SCTP 01:01  %-11s %-18s %-18s %s\n", name,
			"198.51.100.7:4242", "10.0.0.100:2905", "10.1.0.11:2905")
		if got.String() != line {
			t.Errorf("%v is shown as\n%swant\n%s", state, got.String(), line)
		}
	}
	for _, state := range lvs.States() {
		if kernelState(state.String()) != state.String() && want[state] == "" {
			t.Errorf("%v is shown as %s", state, kernelState(state.String()))
		}
	}
}
