package api

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fulcrum/conntrack"
	"fulcrum/engine"
	"fulcrum/modes"
)

const turningFile = `
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24"]
[session]
max = 2000
[[neighbour]]
address = "10.0.0.9"
mac = "02:00:00:00:00:09"
[[neighbour]]
address = "10.0.0.11"
mac = "02:00:00:00:00:11"
[[service]]
name = "dns"
address = "10.0.0.100:53"
protocol = "udp"
mode = "nat"
scheduler = "rr"
  [[service.real_server]]
  address = "10.0.0.11:53"
  [[service.real_server]]
  address = "10.0.0.11:54"
`

// sessions lists the sessions that match a query, given as names and values in turn.
func (d *served) sessions(query ...string) (all []Session) {
	d.Helper()
	v := url.Values{}
	for i := 0; i < len(query); i += 2 {
		v.Set(query[i], query[i+1])
	}
	take := func(s *Session) error { all = append(all, *s); return nil }
	if err := d.client.Sessions(d.Context(), v, take); err != nil {
		d.Fatal(err)
	}
	return all
}

// TestSessionsOverHTTP lists all sessions, filtered ones, and pages.
func TestSessionsOverHTTP(t *testing.T) {
	d := serve(t, turningFile)
	d.turn()
	d.begin(300, "10.0.0.100:53")
	all := d.sessions()
	if len(all) != 300 {
		t.Fatalf("%d sessions, want 300", len(all))
	}
	for _, tt := range []struct {
		query []string
		want  int
	}{
		{[]string{"service", "dns"}, 300},
		{[]string{"protocol", "udp", "state", "udp"}, 300},
		{[]string{"protocol", "tcp"}, 0},
		{[]string{"client", "10.0.0.9:1007"}, 1},
		{[]string{"client", "10.0.0.0/29"}, 0},
		{[]string{"client", "10.0.0.0/28", "vip", "10.0.0.100"}, 300},
		{[]string{"real_server", "10.0.0.11:54"}, 150},
		{[]string{"limit", "7"}, 7},
		{[]string{"limit", "7", "cursor", all[295].Cursor}, 4},
	} {
		if got := d.sessions(tt.query...); len(got) != tt.want {
			t.Errorf("%v: %d sessions, want %d", tt.query, len(got), tt.want)
		}
	}
	first := d.sessions("client", "10.0.0.9:1000")[0]
	first.IdleSeconds, first.LeftSeconds, first.Cursor, first.RealServer = 0, 0, "", ""
	want := Session{
		Service: "dns", Protocol: "udp", State: "UDP", Mode: "nat",
		Client: "10.0.0.9:1000", VIP: "10.0.0.100:53", PacketsIn: 1,
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestBadSessionQueries checks that the problem of each bad query names the parameter.
func TestBadSessionQueries(t *testing.T) {
	d := serve(t, turningFile)
	for _, tt := range []struct{ parameter, value string }{
		{"state", "OPEN"}, {"protocol", "gre"}, {"client", "me"}, {"vip", "10.0.0.100/33"},
		{"real_server", ":80"}, {"limit", "-1"}, {"cursor", "x"}, {"service", "web"},
	} {
		query := url.Values{tt.parameter: {tt.value}}
		err := d.client.Sessions(t.Context(), query, func(*Session) error { return nil })
		var p *Problem
		if !errors.As(err, &p) || p.Status != http.StatusUnprocessableEntity ||
			len(p.Errors) != 1 || p.Errors[0].Location != "query."+tt.parameter {
			t.Errorf("%s=%s: %+v, %v", tt.parameter, tt.value, p, err)
		}
	}
}

// TestListingOfAStuckWorker checks that a listing without a worker's sessions is an error, so that
// no client takes it for complete.
func TestListingOfAStuckWorker(t *testing.T) {
	d := serve(t, turningFile) // the worker does not run
	err := d.client.Sessions(t.Context(), nil, func(*Session) error { return nil })
	var p *Problem
	if !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable {
		t.Errorf("%v, want a problem of status 503", err)
	}
}

// TestListingWaitsForNobody checks that clients that do not read their response delay neither the
// director nor other clients.
func TestListingWaitsForNobody(t *testing.T) {
	d := serve(t, turningFile)
	d.turn()
	d.begin(1000, "10.0.0.100:53")
	for range 20 {
		conn, err := net.Dial("unix", d.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("GET /v1/sessions HTTP/1.1\r\nHost: d\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(d.sessions()); n != 1000 {
		t.Errorf("%d sessions", n)
	}
	d.begin(1500, "10.0.0.100:53")
}

// TestSessionLine checks that a line is the JSON of a Session, for any name of a service.
func TestSessionLine(t *testing.T) {
	at := netip.MustParseAddrPort
	var l sessionLine
	for _, service := range []string{"", "web", "web", `a "quoted\" name`} {
		s := engine.SessionInfo{
			Worker: 1, Service: service, Protocol: 6, State: conntrack.Established, Mode: modes.FullNAT,
			Client: at("[2001:db8::7]:4242"), VIP: at("[fd00::100]:80"),
			Local: at("10.1.0.50:5000"), RealServer: at("10.1.0.11:80"),
			Idle: 1500 * time.Millisecond, Left: 898500 * time.Millisecond,
			PacketsIn: 1<<32 - 1, PacketsOut: 7,
		}
		want := Session{
			Worker: 1, Service: service, Protocol: "tcp", State: "ESTABLISHED", Mode: "fullnat",
			Client: "[2001:db8::7]:4242", VIP: "[fd00::100]:80",
			Local: "10.1.0.50:5000", RealServer: "10.1.0.11:80",
			IdleSeconds: 1.5, LeftSeconds: 898.5,
			PacketsIn: 1<<32 - 1, PacketsOut: 7, Cursor: "4294967304",
		}
		line := l.of(&s, 1<<32+8)
		var got Session
		if err := json.Unmarshal(line, &got); err != nil || line[len(line)-1] != '\n' {
			t.Fatalf("%v: %s", err, line)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	n := testing.AllocsPerRun(100, func() { l.of(&engine.SessionInfo{Protocol: 17}, 1) })
	if n > 0 {
		t.Errorf("%v allocations a line", n)
	}
}

func TestNeighboursOverHTTP(t *testing.T) {
	d := serve(t, turningFile)
	d.turn()
	var all []Neighbour
	if err := d.client.Do(t.Context(), http.MethodGet, "neighbours", nil, &all); err != nil {
		t.Fatal(err)
	}
	for i := range all {
		all[i].AgeSeconds = 0
	}
	want := []Neighbour{
		{Address: "10.0.0.9", Port: "front", MAC: "02:00:00:00:00:09", State: "static"},
		{Address: "10.0.0.11", Port: "front", MAC: "02:00:00:00:00:11", State: "static", Pinned: true},
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
