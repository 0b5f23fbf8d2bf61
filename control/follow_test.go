package control

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"fulcrum/config"
)

// following is planned with two ports that follow, and a service whose VIP the host owns.
var following = strings.Replace(planned, `addresses = ["10.0.0.1/24"]`, `addresses = ["10.0.0.1/24"]
host = "ful-front"
follow = true
[[port]]
name = "back"
device = "net_null1"
addresses = ["10.1.0.1/24", "fe80::1/64"]
host = "ful-back"
follow = true`, 1) + `
[[service]]
name = "owned"
addresses = ["10.0.0.120:80", "10.0.0.121:80"]
protocol = "tcp"
mode = "nat"
vip_owner = "host"
`

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// routesVia reads routes such as "10.2.0.0/16 10.0.0.254".
func routesVia(texts ...string) (all []config.HostRoute) {
	for _, text := range texts {
		to, via, _ := strings.Cut(text, " ")
		all = append(all, config.HostRoute{To: netip.MustParsePrefix(to), Via: netip.MustParseAddr(via)})
	}
	return all
}

func station(port int, address, mac string) config.Neighbour {
	hardware, _ := net.ParseMAC(mac)
	return config.Neighbour{Address: netip.MustParseAddr(address), MAC: hardware, Port: port}
}

// TestFollow: what host interfaces have is what the director has, beside the file. What a port
// cannot have is left out, with a reason.
func TestFollow(t *testing.T) {
	r := newTestRunning(t, parsePlanned(t, following))
	var log bytes.Buffer
	r.Log = slog.New(slog.NewTextHandler(&log, nil))
	hosts := []config.HostInterface{{
		Port: 0, Exists: true,
		Addresses: prefixes("10.0.0.1/24", "10.0.0.7/24", "172.16.0.1/24", "2001:db8::1/64",
			"10.0.0.100/32", "10.0.0.113/24", "10.0.0.120/32", "10.0.0.50/24", "10.0.0.13/24",
			"10.0.0.254/24", "10.1.0.9/24", "10.0.0.255/24", "224.0.0.1/24"),
		Routes: routesVia("0.0.0.0/0 10.0.0.7", "10.8.0.0/16 172.16.0.254", "10.9.0.0/16 10.1.0.254",
			"10.0.0.64/26 10.0.0.254", "10.10.0.0/16 10.0.0.100", "::/0 2001:db8::fe",
			"10.11.0.0/16 2001:db8::fe", "10.12.0.0/16 172.16.0.255"),
		Neighbours: []config.Neighbour{
			station(0, "10.0.0.254", "02:00:00:00:00:aa"), station(0, "172.16.0.254", "02:00:00:00:00:bb"),
			station(0, "10.3.0.1", "02:00:00:00:00:cc"), station(0, "172.16.0.5", "01:00:00:00:00:cc"),
		},
		OnLink: prefixes("10.13.0.0/16"), ECMP: 1, Excess: 3,
	}, {
		Port: 1, Exists: true, Addresses: prefixes("fe80::7/64"), Routes: routesVia("2001:db8:1::/48 fe80::fe"),
	}}
	if err := r.FollowHosts(t.Context(), hosts); err != nil {
		t.Fatal(err)
	}
	want := []HostReport{{
		Port: "front", Interface: "ful-front", Exists: true, Follow: true,
		Addresses:  []string{"10.0.0.7/24", "172.16.0.1/24", "2001:db8::1/64", "10.0.0.113/24"},
		Routes:     []string{"10.8.0.0/16 via 172.16.0.254", "::/0 via 2001:db8::fe"},
		Neighbours: []string{"172.16.0.254 at 02:00:00:00:00:bb"},
		Refused: []string{
			`address 10.0.0.100/32: it is the VIP of service "web"`,
			`address 10.0.0.50/24: it is a local address of service "dns"`,
			`address 10.0.0.13/24: it is a real server of service "dns"`,
			`address 10.0.0.254/24: it is a static neighbour`,
			`address 10.1.0.9/24: its subnet overlaps 10.1.0.0/24 of port "back"`,
			`address 10.0.0.255/24: it is the network or broadcast address of its subnet`,
			`address 224.0.0.1/24: no host can have it`,
			`route 10.9.0.0/16 via 10.1.0.254: the gateway 10.1.0.254 is on no subnet of the port`,
		},
		RefusedCount: 15, ECMP: 1, Excess: 3,
	}, {
		Port: "back", Interface: "ful-back", Exists: true, Follow: true,
		Addresses: []string{"fe80::7/64"}, Routes: []string{"2001:db8:1::/48 via fe80::fe"},
	}}
	got := r.HostReports()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	var audits []string
	for _, a := range r.Audits() {
		audits = append(audits, fmt.Sprintf("%s: %s", a.Who, a.what()))
	}
	wantAudits := []string{
		"host interface ful-front: ~ port front addresses 10.0.0.1/24 -> 10.0.0.1/24, 10.0.0.7/24, " +
			"172.16.0.1/24, 2001:db8::1/64 and 1 more; + route 10.8.0.0/16 via 172.16.0.254; " +
			"+ route ::/0 via 2001:db8::fe; + neighbour 172.16.0.254 at 02:00:00:00:00:bb",
		"host interface ful-back: ~ port back addresses 10.1.0.1/24, fe80::1/64 -> 10.1.0.1/24, " +
			"fe80::1/64, fe80::7/64; + route 2001:db8:1::/48 via fe80::fe on port back",
	}
	if diff := cmp.Diff(wantAudits, audits); diff != "" {
		t.Errorf("audit (-want +got)\n%s", diff)
	}
	for _, text := range []string{
		"port front does not follow address 10.0.0.100/32 of ful-front: it is the VIP of service",
		"7 more of the host interfaces are not followed",
	} {
		if !strings.Contains(log.String(), text) {
			t.Errorf("no %q in the log\n%s", text, log.String())
		}
	}
	if n := r.CountOverrides(); n != 0 || strings.Contains(r.Config().Render(), "172.16") {
		t.Errorf("%d overrides; the configuration\n%s", n, r.Config().Render())
	}
	if _, err := r.Rollback(t.Context()); err != ErrNothingBefore {
		t.Errorf("the host's doing is in the history: %v", err)
	}
	before := len(r.Audits())
	if err := r.FollowHosts(t.Context(), slices.Clone(hosts)); err != nil || len(r.Audits()) != before {
		t.Errorf("the same again: %v, %v", err, r.Audits()[before:])
	}
	if err := r.FollowHosts(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r.Effective().Render(), r.Config().Render()) {
		t.Error("something stays")
	}
}

// TestFollowGivesWay: a service may take an address that a port has from its host interface, and
// gives it back. A file does so as well.
func TestFollowGivesWay(t *testing.T) {
	r := newTestRunning(t, parsePlanned(t, following))
	hosts := []config.HostInterface{{Port: 0, Exists: true, Addresses: prefixes("10.0.0.7/24")}}
	if err := r.FollowHosts(t.Context(), hosts); err != nil {
		t.Fatal(err)
	}
	has := func(want string) {
		t.Helper()
		if got := strings.Join(r.HostReports()[0].Addresses, " "); got != want {
			t.Errorf("the port has %q, want %q", got, want)
		}
	}
	has("10.0.0.7/24")
	_, err := r.AddService(WithActor(t.Context(), Actor{Name: "operator"}), ServiceAddition{
		Name: "late", Address: "10.0.0.7:80", Protocol: "tcp", Mode: "nat",
	})
	if err != nil {
		t.Fatal(err)
	}
	has("")
	var who []string
	for _, a := range r.Audits() {
		who = append(who, a.Who.Name)
	}
	if want := []string{"host interface ful-front", "host interface ful-front", "operator"}; !slices.Equal(who, want) {
		t.Errorf("changes by %q, want %q", who, want)
	}
	if _, err := r.RemoveService(t.Context(), "late"); err != nil {
		t.Fatal(err)
	}
	has("10.0.0.7/24")
	taken := strings.Replace(following, "10.0.0.11:8080", "10.0.0.7:8080", 1)
	plan, err := r.Apply(t.Context(), parsePlanned(t, taken), Application{})
	if err != nil {
		t.Fatal(err)
	}
	has("")
	why := `port front does not follow address 10.0.0.7/24 of ful-front: it is a real server of service "web"`
	if !slices.Contains(plan.Warnings, why) {
		t.Errorf("warnings %q", plan.Warnings)
	}
	off := strings.ReplaceAll(following, "follow = true", "follow = false")
	for _, step := range []struct{ file, has string }{{off, ""}, {following, "10.0.0.7/24"}} {
		if _, err := r.Apply(t.Context(), parsePlanned(t, step.file), Application{}); err != nil {
			t.Fatal(err)
		}
		has(step.has)
	}
	if _, err := r.AddRealServer(t.Context(), "web", RealServerAddition{Address: "10.0.0.7:80"}); err == nil ||
		!strings.Contains(err.Error(), `the address of port "front", from ful-front`) {
		t.Errorf("a real server with the port's address: %v", err)
	}
}

// TestHoldVIPs: a VIP that the host owns is passive until a host interface has it.
func TestHoldVIPs(t *testing.T) {
	r := newTestRunning(t, parsePlanned(t, following))
	owned := func() (bool, []string) {
		s := r.Report().Services
		i := slices.IndexFunc(s, func(s ServiceReport) bool { return s.Name == "owned" })
		if s[i].VIPOwner != "host" || r.Services()[i].VIPOwner != "host" {
			t.Errorf("owner %q, in the list of services %q", s[i].VIPOwner, r.Services()[i].VIPOwner)
		}
		return s[i].Announced, s[i].Held
	}
	for _, tt := range []struct {
		held      []string
		announced bool // the first VIP
		of        []string
	}{
		{nil, false, nil},
		{[]string{"10.0.0.120"}, true, []string{"10.0.0.120"}},
		{[]string{"10.0.0.121", "10.0.0.120"}, true, []string{"10.0.0.120", "10.0.0.121"}},
		{[]string{"10.0.0.121", "10.9.9.9"}, false, []string{"10.0.0.121"}},
		{nil, false, nil},
	} {
		held := Held{}
		for _, a := range tt.held {
			held[netip.MustParseAddr(a)] = "ful-front"
		}
		if err := r.HoldVIPs(t.Context(), held); err != nil {
			t.Fatal(err)
		}
		if announced, of := owned(); announced != tt.announced || !slices.Equal(of, tt.of) {
			t.Errorf("%v: announced %v, held %v", tt.held, announced, of)
		}
		// A change of the service, or of everything, does not lose it.
		name := "owned"
		echo := false
		for range 2 {
			echo = !echo
			change := ServiceChange{ServiceSettings: ServiceSettings{Echo: &echo}}
			if _, err := r.ChangeService(t.Context(), name, change); err != nil {
				t.Fatal(err)
			}
		}
		if announced, of := owned(); announced != tt.announced || !slices.Equal(of, tt.of) {
			t.Errorf("%v, after a change: announced %v, held %v", tt.held, announced, of)
		}
	}
	var audits []string
	for _, a := range r.Audits() {
		if a.Command == "hold VIPs" {
			audits = append(audits, fmt.Sprintf("%s: %s", a.Who, a.what()))
		}
	}
	want := []string{
		"host interface ful-front: ~ VIP 10.0.0.120 held by the host",
		"host interface ful-front: ~ VIP 10.0.0.121 held by the host",
		"host interface ful-front: ~ VIP 10.0.0.120 not held by the host any more",
		"host interface ful-front: ~ VIP 10.0.0.121 not held by the host any more",
	}
	if diff := cmp.Diff(want, audits); diff != "" {
		t.Errorf("audit (-want +got)\n%s", diff)
	}
}

// TestFollowIsWhatAFileCouldSay makes any sequence of edits, of files and of what host interfaces
// have. After each, the director has what one would have that began now, and what a file with all
// of it could say.
func TestFollowIsWhatAFileCouldSay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newTestRunning(rt, parsePlanned(t, following))
		var hosts []config.HostInterface
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				hosts = drawHosts(rt)
				if err := r.FollowHosts(context.Background(), hosts); err != nil {
					rt.Fatal(err)
				}
			case 1:
				_ = r.HoldVIPs(context.Background(), drawHeld(rt))
			case 2:
				_, _ = r.Apply(context.Background(), drawFollowing(t, rt), Application{})
			default:
				_, _ = drawEdit(rt, r)
			}
			r.checkFollowed(rt, hosts)
		}
	})
}

func (r *Running) checkFollowed(t *rapid.T, hosts []config.HostInterface) {
	now := r.Effective()
	if _, err := config.Parse("effective.toml", []byte(now.Render())); err != nil {
		t.Fatalf("%v\nof\n%s", err, now.Render())
	}
	_, fresh := follow(r.Config(), hosts)
	// Of several services that have an address, any one is named.
	whatever := func(all []config.HostRefusal) []config.HostRefusal {
		all = slices.Clone(all)
		for i := range all {
			all[i].Why = ""
		}
		return all
	}
	if !reflect.DeepEqual(fresh.Network, r.followed.Network) ||
		!slices.Equal(whatever(fresh.Refused), whatever(r.followed.Refused)) {
		t.Fatalf("after changes: %+v\nanew: %+v", r.followed, fresh)
	}
	want, got := settingsWith(now, r.held), r.engine.Report().Services
	for i := range got {
		if s := got[i].Service; !reflect.DeepEqual(normal(s), normal(want.Services[i])) {
			t.Fatalf("the engine has\n%+v\nwant\n%+v", s, want.Services[i])
		}
	}
}

func drawFollowing(t *testing.T, rt *rapid.T) *config.Config {
	text := following
	if rapid.Bool().Draw(rt, "back follows not") {
		i := strings.LastIndex(text, "follow = true")
		text = text[:i] + "follow = false" + text[i+len("follow = true"):]
	}
	if rapid.Bool().Draw(rt, "another real server") {
		text = strings.Replace(text, "10.0.0.11:8080", "10.0.0.7:8080", 1)
	}
	return parsePlanned(t, text)
}

func drawHeld(t *rapid.T) Held {
	held := Held{}
	for _, a := range []string{"10.0.0.120", "10.0.0.121", "10.0.0.7"} {
		if rapid.Bool().Draw(t, a) {
			held[netip.MustParseAddr(a)] = "ful-front"
		}
	}
	return held
}

var (
	someAddresses = []string{
		"10.0.0.7/24", "10.0.0.1/24", "10.0.0.100/24", "10.0.0.120/32", "10.1.0.7/24", "10.2.0.7/24",
		"10.2.0.8/16", "fe80::7/64", "2001:db8::7/64", "10.0.0.101/32", "10.0.0.98/32", "10.0.0.12/24",
		"10.0.0.96/29", "10.0.0.254/24",
	}
	someRoutes = []string{
		"0.0.0.0/0 10.0.0.9", "10.2.0.0/16 10.0.0.9", "10.2.0.0/24 10.1.0.9", "10.3.0.0/16 10.2.0.9",
		"::/0 fe80::9", "::/0 2001:db8::9", "10.4.0.0/16 10.0.0.7", "10.5.0.0/16 10.0.0.100",
	}
	someStations = []string{"10.0.0.254", "10.0.0.9", "10.2.0.9", "fe80::9", "10.0.0.120"}
)

// drawHosts draws what two host interfaces have.
func drawHosts(t *rapid.T) []config.HostInterface {
	all := make([]config.HostInterface, 2)
	for i := range all {
		h := &all[i]
		h.Port, h.Exists = i, true
		some := func(of []string) []string {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, 4, rapid.ID).Draw(t, "of the host")
		}
		h.Addresses = prefixes(some(someAddresses)...)
		taken := map[netip.Prefix]bool{}
		for _, r := range routesVia(some(someRoutes)...) {
			if !taken[r.To] {
				h.Routes = append(h.Routes, r)
			}
			taken[r.To] = true
		}
		for _, a := range some(someStations) {
			h.Neighbours = append(h.Neighbours, station(i, a, "02:00:00:00:00:99"))
		}
	}
	return all
}
