package ipvsadm

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fulcrum/config"
)

const base = `
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24", "fd00::1/64"]
[[port]]
name = "back"
device = "net_null1"
addresses = ["10.1.0.1/24"]
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

// restored is the configuration with rules, checked as a file.
func restored(t testing.TB, rules string) (*config.Config, error) {
	t.Helper()
	all, err := ReadRules(strings.NewReader(rules))
	if err != nil {
		return nil, err
	}
	c, err := ChangeAll(baseConfig(t), all)
	if err != nil {
		return nil, err
	}
	return config.Parse("changed", []byte(c.Render()))
}

func saved(t testing.TB, c *config.Config) string {
	t.Helper()
	var text strings.Builder
	if err := WriteRules(&text, c); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// TestRecorded: what ipvsadm-save -n prints is taken over, and -S prints the same.
func TestRecorded(t *testing.T) {
	for _, file := range []string{"testdata/routing.rules", "testdata/masquerading.rules", "testdata/six.rules"} {
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
		"-Ln": "ok", "-Lnc": "ok", "-L -n --stats --exact": "ok", "-l --rate": "ok", "-L --timeout": "ok", "-C": "ok", "-S -n": "ok", "-R": "ok",
		"":                                     "no command",
		"-A":                                   "needs a service",
		"-A -t 10.0.0.100":                     "the service \"10.0.0.100\" is none",
		"-A -t 10.0.0.100:80 -u 10.0.0.1:1":    "two services",
		"-A -D -t 10.0.0.100:80":               "two commands",
		"-a -t 10.0.0.100:80":                  "needs a real server",
		"-A -t 10.0.0.100:80 -r 10.1.0.1":      "has no real server",
		"-a -t 10.0.0.100:80 -r x":             "the real server",
		"-a -t 10.0.0.100:80 -r 1.2.3.4 -g -m": "two forwarding methods",
		"-a -t 10.0.0.100:80 -r 1.2.3.4 -w 70000": "the weight",
		"-A -t 10.0.0.100:80 -w 1":                "has no weight",
		"-a -t 10.0.0.100:80 -r 1.2.3.4 -s rr":    "has no scheduler",
		"-L -t":                                   "needs an argument",
		"-Q":                                      "no option",
		"frob":                                    "no option",
		"-A -f 1":                                 "firewall marks",
		"-A -t 10.0.0.100:80 -p 300":              "persistence",
		"-A -t 10.0.0.100:80 -M 255.0.0.0":        "persistence",
		"-A -t 10.0.0.100:80 -b sh-port":          "scheduler flags",
		"-A -u 10.0.0.100:80 -o":                  "one-packet",
		"-Z":                                      "ok",
		"--set 1 2 3":                             "session.timeouts",
		"--start-daemon master":                   "synchronisation",
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
		"-A -t 10.0.0.100:80\n-A -t 10.0.0.100:80":                                                      "already",
		"-D -t 10.0.0.100:80":                                                                           "no service",
		"-a -t 10.0.0.100:80 -r 10.0.0.11":                                                              "no service",
		"-A -t 10.0.0.100:80\n-d -t 10.0.0.100:80 -r 10.0.0.11":                                         "no real server",
		"-A -t 10.0.0.100:80\n-a -t 10.0.0.100:80 -r 10.0.0.11\n-a -t 10.0.0.100:80 -r 10.0.0.11":       "already",
		"-A -t 10.0.0.100:80\n-a -t 10.0.0.100:80 -r 10.0.0.11 -g\n-a -t 10.0.0.100:80 -r 10.0.0.12 -m": "reached alike",
		"-A -t 10.0.0.100:80 -s sh":                                                                     "not supported yet",
		"-A -t 10.0.0.100:80\n-a -t 10.0.0.100:80 -r 10.0.0.11:81 -g":                                   "does not rewrite ports",
		"-A -t 10.0.0.100:80\n\n# comment\n-X":                                                          "line 4",
		"-L":                                                                                            "cannot be restored",
		"-A -t 10.0.0.100:80\n-a -t 10.0.0.100:80 -r 10.1.0.11 --fullnat":                               "local_addresses",
	} {
		if _, err := restored(t, rules); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", rules, err, want)
		}
	}
}

// TestSaveAndRestore: what is written is read as the same.
func TestSaveAndRestore(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := baseConfig(t)
		for i := range rapid.IntRange(0, 4).Draw(r, "services") {
			s := config.Service{
				Protocol: rapid.SampledFrom([]string{"tcp", "udp", "sctp"}).Draw(r, "protocol"), Address: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.100"), uint16(80+i)),
				Mode: rapid.SampledFrom([]string{"dr", "nat", "ipip", "fullnat"}).Draw(r, "mode"), Scheduler: rapid.SampledFrom([]string{"rr", "wlc"}).Draw(r, "scheduler"), Echo: true,
			}
			s.Name = nameOf(s.Protocol, s.Address)
			if s.Mode == "fullnat" {
				s.LocalAddresses = []netip.Addr{netip.MustParseAddr("10.1.0.50"), netip.MustParseAddr("10.1.0.51")}
			}
			for j := range rapid.IntRange(1, 3).Draw(r, "servers") {
				s.RealServers = append(s.RealServers, config.RealServer{
					Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(11 + j)}), s.Address.Port()), Weight: rapid.IntRange(0, 9).Draw(r, "weight"), UpperThreshold: 10 * j,
				})
			}
			c.Services = append(c.Services, s)
		}
		text := saved(t, c)
		again, err := restored(t, text)
		if err != nil || saved(t, again) != text {
			r.Fatalf("%v:\n%s", err, text)
		}
	})
}

func TestWrite(t *testing.T) {
	services := []Service{{
		Protocol: "tcp", Address: "10.0.0.100:80", Scheduler: "wlc", Mode: "nat", Counters: Counters{5, 100, 90, 123456789, 123456789012},
		Servers: []Server{{Address: "10.1.0.11:80", Weight: 1, Active: 2, Inactive: 3, Upper: 10, Lower: 5, Counters: Counters{5, 100, 90, 123456789, 123456789012}}},
	}}
	for line, want := range map[string]string{
		"-Ln": "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n" +
			"TCP  10.0.0.100:80 wlc\n  -> 10.1.0.11:80                 Masq    1      2          3         \n",
		"-Ln --stats": "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n  -> RemoteAddress:Port\n" +
			"TCP  10.0.0.100:80                       5      100       90  123456K  123456M\n  -> 10.1.0.11:80                        5      100       90  123456K  123456M\n",
		"-Ln --thresholds": "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn\n  -> RemoteAddress:Port\n" +
			"TCP  10.0.0.100:80\n  -> 10.1.0.11:80                 10         5          2          3         \n",
		"-Ln -u 10.0.0.100:80": "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n",
	} {
		k, err := Parse(strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		if Write(&got, k, services, 4096); got.String() != want {
			t.Errorf("%s:\n%q\nwant\n%q", line, got.String(), want)
		}
	}
}

func TestWriteConnection(t *testing.T) {
	var got strings.Builder
	WriteConnectionTitle(&got)
	WriteConnection(&got, Connection{"tcp", "ESTABLISHED", "198.51.100.7:4242", "10.0.0.100:80", "10.1.0.11:80", 897 * time.Second})
	want := "IPVS connection entries\npro expire state       source             virtual            destination\n" +
		"TCP 14:57  ESTABLISHED 198.51.100.7:4242  10.0.0.100:80      10.1.0.11:80\n"
	if got.String() != want {
		t.Errorf("%q, want %q", got.String(), want)
	}
}

func FuzzReadRules(f *testing.F) {
	f.Add("-A -t 10.0.0.100:80 -s rr\n-a -t 10.0.0.100:80 -r 10.0.0.11:80 -g -w 1\n")
	c := baseConfig(f)
	f.Fuzz(func(t *testing.T, rules string) {
		if all, err := ReadRules(strings.NewReader(rules)); err == nil {
			if n, err := ChangeAll(c, all); err == nil {
				n.Render()
			}
		}
	})
}
