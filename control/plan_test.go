package control

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/lvs"
)

const planned = `
[session]
max = 1000
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24"]
[[route]]
to = "0.0.0.0/0"
via = "10.0.0.254"
[[neighbour]]
address = "10.0.0.254"
mac = "02:00:00:00:00:fe"
[[mark]]
number = 7
match = ["tcp 10.0.0.110:80", "udp 10.0.0.112/30:53"]
[[service]]
name = "web"
address = "10.0.0.100:80"
protocol = "tcp"
mode = "nat"
scheduler = "rr"
[[service.real_server]]
address = "10.0.0.11:8080"
weight = 1
[[service.real_server]]
address = "10.0.0.12:8080"
weight = 2
[[service]]
name = "dns"
address = "10.0.0.100:53"
protocol = "udp"
mode = "fullnat"
scheduler = "wlc"
local_addresses = ["10.0.0.50"]
[[service.real_server]]
address = "10.0.0.13:53"
`

// plannedSessions are those of the real servers of planned.
var plannedSessions = SessionCounts{
	{Service: webID, Address: netip.MustParseAddrPort("10.0.0.11:8080")}: 11,
	{Service: webID, Address: netip.MustParseAddrPort("10.0.0.12:8080")}: 12,
	{Service: dnsID, Address: netip.MustParseAddrPort("10.0.0.13:53")}:   13,
}

var (
	webID = lvs.ServiceID{Protocol: lvs.TCP, Address: netip.MustParseAddrPort("10.0.0.100:80")}
	dnsID = lvs.ServiceID{Protocol: lvs.UDP, Address: netip.MustParseAddrPort("10.0.0.100:53")}
)

const (
	web12 = "[[service.real_server]]\naddress = \"10.0.0.12:8080\"\nweight = 2\n"
	web11 = "[[service.real_server]]\naddress = \"10.0.0.11:8080\"\nweight = 1\n"
	dns   = "[[service]]\nname = \"dns\""
	gone  = "their packets are dropped as real_server_gone until they time out"
)

// plannedLocals are the sessions of planned by local address, and those of an address that it had
// before.
type plannedLocals struct{}

func (plannedLocals) LocalSessions(id lvs.ServiceID, a netip.Addr) int {
	if id == dnsID && a == netip.MustParseAddr("10.0.0.50") {
		return 7
	}
	return 0
}

func (plannedLocals) RetiredLocals() []engine.RetiredLocal {
	return []engine.RetiredLocal{{Service: dnsID, Address: netip.MustParseAddr("10.0.0.60"), Sessions: 5}}
}

// TestPlan changes one thing, or two, and reads what the plan says.
func TestPlan(t *testing.T) {
	dnsService := planned[strings.Index(planned, dns):]
	webService := planned[strings.Index(planned, "[[service]]\nname = \"web\""):strings.Index(planned, dns)]
	for _, tt := range []struct {
		name    string
		changes []string // pairs: a text and its replacement
		want    []string
	}{
		{"nothing", nil, nil},
		{"weight", []string{"weight = 2", "weight = 5"}, []string{"change real server 10.0.0.12:8080 of web | weight 2 -> 5 | 12 go on"}},
		{"drain", []string{"weight = 2", "weight = 0"}, []string{"change real server 10.0.0.12:8080 of web | weight 2 -> 0 | 12 go on; no new ones (drains)"}},
		{"thresholds", []string{"weight = 1", "weight = 1\nupper_threshold = 10\nlower_threshold = 5"}, []string{
			"change real server 10.0.0.11:8080 of web | upper_threshold 0 -> 10 | 11 go on",
			"change real server 10.0.0.11:8080 of web | lower_threshold 0 -> 5 | 11 go on",
		}},
		{"add a real server", []string{web12, web12 + strings.ReplaceAll(web12, ".12", ".14")},
			[]string{"add real server 10.0.0.14:8080 of web | weight 2 | 0 "}},
		{"remove a real server", []string{web12, ""}, []string{"remove real server 10.0.0.12:8080 of web |  | 12 " + gone}},
		{"remove a real server, sessions too", []string{web12, "", "max = 1000", "max = 1000\nexpire_nodest = true"}, []string{
			"change session.expire_nodest | false -> true | 0 ",
			"remove real server 10.0.0.12:8080 of web |  | 12 end at once; their clients' next packets are scheduled anew",
		}},
		{"answers to packets of no session", []string{"max = 1000", "max = 1000\nreset_unknown = \"all\""}, []string{
			"change session.reset_unknown | two-way -> all | 0 ",
		}},
		{"route_unmatched", []string{"max = 1000", "max = 1000\nroute_unmatched = true"}, []string{
			"change session.route_unmatched | false -> true | 0 ",
			"warning session.route_unmatched: real servers of nat services can reach every network of the " +
				"director, and hosts of these networks can reach the real servers; filter what must not pass",
		}},
		{"another address of a real server", []string{"10.0.0.12:8080", "10.0.0.12:8081"}, []string{
			"remove real server 10.0.0.12:8080 of web |  | 12 " + gone,
			"add real server 10.0.0.12:8081 of web | weight 2 | 0 ",
		}},
		{"mode of a real server", []string{
			"weight = 2", "weight = 2\nmode = \"fullnat\"",
			`mode = "nat"`, "mode = \"nat\"\nlocal_addresses = [\"10.0.0.51\"]",
		}, []string{
			"change service web | local_addresses  -> 10.0.0.51 | 23 go on",
			"change real server 10.0.0.12:8080 of web | mode the service's -> fullnat | 12 go on by nat; new ones by fullnat",
		}},
		{"mode of a real server, as before", []string{"weight = 2", "weight = 2\nmode = \"nat\""}, []string{
			"change real server 10.0.0.12:8080 of web | mode the service's -> nat | 12 go on",
		}},
		{"mode of a service, not of all real servers", []string{
			"weight = 2", "weight = 2\nmode = \"nat\"",
			`mode = "nat"`, "mode = \"fullnat\"\nlocal_addresses = [\"10.0.0.51\"]",
		}, []string{
			"change service web | mode nat -> fullnat | 23 go on by nat; new ones by fullnat, but for real servers with a mode of their own",
			"change service web | local_addresses  -> 10.0.0.51 | 23 go on",
			"change real server 10.0.0.12:8080 of web | mode the service's -> nat | 12 go on",
		}},
		{"add a real server with a mode", []string{web12, web12 + strings.ReplaceAll(web12, ".12", ".14") + "mode = \"nat\"\n"},
			[]string{"add real server 10.0.0.14:8080 of web | weight 2, mode nat | 0 "}},
		{"order of real servers", []string{web11 + web12, web12 + web11}, []string{"change service web | order of real servers | 23 go on"}},
		{"name", []string{`"web"`, `"www"`}, []string{"change service www | name web -> www | 23 go on"}},
		{"scheduler", []string{`"rr"`, `"wrr"`}, []string{"change service web | scheduler rr -> wrr | 23 go on"}},
		{"mode", []string{
			`mode = "fullnat"`, `mode = "nat"`, "local_addresses = [\"10.0.0.50\"]\n", "",
		}, []string{
			"change service dns | mode fullnat -> nat | 13 go on by fullnat; new ones by nat",
			"change service dns | local_addresses 10.0.0.50 ->  | 13 go on",
			"remove local address 10.0.0.50 of dns |  | 7 go on; it stays until the last of them ends",
		}},
		{"mode and real servers", []string{`mode = "nat"`, `mode = "ipip"`, ":8080", ":80"}, []string{
			"change service web | mode nat -> ipip | 23 go on by nat; new ones by ipip",
			"remove real server 10.0.0.11:8080 of web |  | 11 " + gone,
			"remove real server 10.0.0.12:8080 of web |  | 12 " + gone,
			"add real server 10.0.0.11:80 of web | weight 1 | 0 ",
			"add real server 10.0.0.12:80 of web | weight 2 | 0 ",
		}},
		{"mode and weight", []string{
			`mode = "nat"`, "mode = \"fullnat\"\nlocal_addresses = [\"10.0.0.51\"]",
			"weight = 2", "weight = 5",
		}, []string{
			"change service web | mode nat -> fullnat | 23 go on by nat; new ones by fullnat",
			"change service web | local_addresses  -> 10.0.0.51 | 23 go on",
			"change real server 10.0.0.12:8080 of web | weight 2 -> 5 | 12 go on",
		}},
		{"add a service", []string{dnsService, dnsService + strings.NewReplacer("dns", "more", ":53\"\np", ":54\"\np").Replace(dnsService)},
			[]string{"add service more | udp 10.0.0.100:54, fullnat, wlc, 1 real server | 0 "}},
		{"remove a service", []string{dnsService, ""}, []string{"remove service dns | udp 10.0.0.100:53 | 13 " + gone}},
		{"order of services", []string{webService + dnsService, dnsService + webService}, []string{"change order of services |  | 0 "}},
		{"local addresses", []string{"10.0.0.50", "10.0.0.51"}, []string{
			"change service dns | local_addresses 10.0.0.50 -> 10.0.0.51 | 13 go on",
			"remove local address 10.0.0.50 of dns |  | 7 go on; it stays until the last of them ends",
		}},
		{"a local address becomes a real server", []string{"10.0.0.50", "10.0.0.51", "10.0.0.12:8080", "10.0.0.50:8080"}, []string{
			"remove real server 10.0.0.12:8080 of web |  | 12 " + gone,
			"add real server 10.0.0.50:8080 of web | weight 2 | 0 ",
			"change service dns | local_addresses 10.0.0.50 -> 10.0.0.51 | 13 go on",
			"remove local address 10.0.0.50 of dns |  | 7 are lost: it becomes a real server of web",
		}},
		{"a retired address becomes a gateway", []string{"via = \"10.0.0.254\"", "via = \"10.0.0.60\""}, []string{
			"change route 0.0.0.0/0 | via 10.0.0.254 -> via 10.0.0.60 | 0 ",
			"remove retired local address 10.0.0.60 |  | 5 are lost: it becomes a gateway",
		}},
		{"a retired address becomes a VIP", []string{"10.0.0.100:53", "10.0.0.60:53"}, []string{
			"remove service dns | udp 10.0.0.100:53 | 13 " + gone,
			"add service dns | udp 10.0.0.60:53, fullnat, wlc, 1 real server | 0 ",
			"remove retired local address 10.0.0.60 |  | 5 are lost: it becomes the VIP of dns",
		}},
		{"a retired address comes back", []string{"10.0.0.50", "10.0.0.50-10.0.0.60"}, []string{
			"change service dns | local_addresses 10.0.0.50 -> 10.0.0.50, 10.0.0.51, 10.0.0.52, 10.0.0.53 and 7 more | 13 go on",
		}},
		{"many local addresses", []string{"10.0.0.50", "10.0.0.50-10.0.0.59"}, []string{
			"change service dns | local_addresses 10.0.0.50 -> 10.0.0.50, 10.0.0.51, 10.0.0.52, 10.0.0.53 and 6 more | 13 go on",
		}},
		{"another gateway", []string{"via = \"10.0.0.254\"", "via = \"10.0.0.253\""}, []string{"change route 0.0.0.0/0 | via 10.0.0.254 -> via 10.0.0.253 | 0 "}},
		{"another route", []string{"0.0.0.0/0", "10.2.0.0/16"}, []string{"remove route 0.0.0.0/0 | via 10.0.0.254 | 0 ", "add route 10.2.0.0/16 | via 10.0.0.254 | 0 "}},
		{"another MAC address", []string{":fe\"", ":fd\""}, []string{"change neighbour 10.0.0.254 | at 02:00:00:00:00:fe -> at 02:00:00:00:00:fd | 0 "}},
		{"a link-local gateway", []string{
			"10.0.0.1/24\"", "10.0.0.1/24\", \"fe80::1/64\"",
			"[[neighbour]]", "[[route]]\nto = \"::/0\"\nvia = \"fe80::fe\"\n[[neighbour]]\naddress = \"fe80::fe\"\nmac = \"02:00:00:00:00:fe\"\n[[neighbour]]",
		}, []string{
			"change port front | addresses 10.0.0.1/24 -> 10.0.0.1/24, fe80::1/64 | 0 ",
			"add route ::/0 | via fe80::fe on port front | 0 ",
			"add neighbour fe80::fe on port front | at 02:00:00:00:00:fe | 0 ",
		}},
		{"a port's address", []string{"10.0.0.1/24", "10.0.0.2/24"}, []string{"change port front | addresses 10.0.0.1/24 -> 10.0.0.2/24 | 0 "}},
		{"other timeouts", []string{"max = 1000\n", "max = 1000\n[session.timeouts]\nudp = \"1s\"\nestablished = \"90s\"\n"}, []string{
			"change session.timeouts.established | 15m0s -> 1m30s | 0 applies to existing sessions too",
			"change session.timeouts.udp | 5m0s -> 1s | 0 applies to existing sessions too",
		}},
		{"what needs a restart", []string{"max = 1000", "max = 2000", "net_null0", "net_null1", "weight = 2", "weight = 5"}, []string{
			"restart port front: device", "restart session.max",
			"change real server 10.0.0.12:8080 of web | weight 2 -> 5 | 12 go on",
		}},
		{"everything that needs a restart", []string{
			"[session]\nmax = 1000\n", "[director]\nworkers = [0]\nidle = \"busy\"\nlog = \"warn\"\ncontrol = \"/x\"\n" +
				"[dpdk]\nhugepages = \"off\"\nmemory = \"1GiB\"\nargs = [\"--iova-mode=va\"]\n[metrics]\nlisten = \"127.0.0.1:9\"\n" +
				"[session]\nmax = 1000\n",
			"[\"10.0.0.1/24\"]", "[\"10.0.0.1/24\"]\nmtu = 9000\nvlan = 5\nrx_descriptors = 512\ntx_descriptors = 512",
		}, []string{
			"restart director.workers", "restart director.idle", "restart director.control", "restart director.log", "restart metrics.listen",
			"restart dpdk.hugepages", "restart dpdk.memory", "restart dpdk.args",
			"restart port front: rx_descriptors", "restart port front: tx_descriptors", "restart port front: mtu", "restart port front: vlan",
		}},
		{"another port", []string{"[[route]]", "[[port]]\nname = \"back\"\ndevice = \"net_null1\"\naddresses = [\"10.1.0.1/24\"]\n[[route]]"}, []string{
			"restart the number of ports",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old, next := parsePlanned(t, planned), parsePlanned(t, strings.NewReplacer(tt.changes...).Replace(planned))
			p := NewPlan(old, next, plannedSessions, plannedLocals{})
			if diff := cmp.Diff(tt.want, planLines(&p)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if p.Empty() != (tt.want == nil) {
				t.Errorf("Empty is %t", p.Empty())
			}
		})
	}
}

func parsePlanned(t testing.TB, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("plan.toml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

func planLines(p *Plan) (lines []string) {
	for _, s := range p.Restart {
		lines = append(lines, "restart "+s)
	}
	for _, c := range p.Changes {
		lines = append(lines, fmt.Sprintf("%s %s | %s | %d %s", c.Action, c.Object, c.Detail, c.Sessions, c.Effect))
	}
	for _, w := range p.Warnings {
		lines = append(lines, "warning "+w)
	}
	return lines
}

// TestPlanOfPorts: a link-local next hop is known by its port too. A port that follows from an
// address is not shown.
func TestPlanOfPorts(t *testing.T) {
	for _, tt := range []struct {
		name string
		old  string
		next string
		want []string
	}{
		{"a route", "via = \"fe80::fe\"\nport = \"front\"", "via = \"fe80::fe\"\nport = \"spare\"",
			[]string{"change route 2001:db8::/32 | port front -> port spare | 0 "}},
		{"a neighbour", "address = \"fe80::fe\"\nport = \"front\"",
			"address = \"fe80::fe\"\nport = \"spare\"", []string{
				"remove neighbour fe80::fe on port front | at 02:00:00:00:00:fe | 0 ",
				"add neighbour fe80::fe on port spare | at 02:00:00:00:00:fe | 0 ",
			}},
		{"a gateway elsewhere", "via = \"10.0.0.254\"", "via = \"10.1.0.254\"",
			[]string{"change route 10.8.0.0/16 | via 10.0.0.254 -> via 10.1.0.254 | 0 "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			next := strings.Replace(everySetting, tt.old, tt.next, 1)
			p := NewPlan(parsePlanned(t, everySetting), parsePlanned(t, next), nil, nil)
			if diff := cmp.Diff(tt.want, planLines(&p)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
