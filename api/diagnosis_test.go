package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket/pcapgo"
	"golang.org/x/net/bpf"

	"fulcrum/capture"
	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/engine"
	"fulcrum/lvs"
)

// scripted is a director whose answers a test sets.
type scripted struct {
	explanation engine.Explanation
	asked       engine.Question
	records     []capture.Record
	err         error
	hold        chan struct{} // if not nil, a capture goes on until it is closed
	until       bool          // a capture goes on until it is ended
	captured    engine.CaptureConfig
	left        control.LeftOut
	leftAsked   string // the service and the real server of the last question about what is left out
}

func (s *scripted) leftOut(service, server string) control.LeftOut {
	s.leftAsked = service + " " + server
	return s.left
}

// CompileFilter compiles "ip" and nothing else.
func (s *scripted) CompileFilter(expression string) (*capture.Program, error) {
	if expression != "ip" {
		return nil, errors.New("syntax error")
	}
	return capture.NewProgram([]bpf.RawInstruction{{Op: 0x28, K: 12}, {Op: 0x15, Jf: 1, K: 0x800},
		{Op: 0x06, K: 65535}, {Op: 0x06}})
}

func (s *scripted) Explain(_ context.Context, q engine.Question) (engine.Explanation, error) {
	s.asked = q
	return s.explanation, s.err
}

func (s *scripted) Capture(
	ctx context.Context, c engine.CaptureConfig, deliver func(*capture.Record) error,
) (engine.Captured, error) {
	s.captured = c
	for i := range s.records {
		if err := deliver(&s.records[i]); err != nil {
			return engine.Captured{}, err
		}
	}
	if s.until {
		<-ctx.Done()
	}
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return engine.Captured{}, errors.New("no response before the capture ended")
		}
	}
	return engine.Captured{Packets: len(s.records), Missed: 5}, s.err
}

func exampleConfig(t testing.TB, name string) *config.Config {
	t.Helper()
	c, err := config.Load("../docs/examples/" + name + ".toml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ask sends a request to the API of a director with the ports of the nat example, front and back.
func (s *scripted) ask(t *testing.T, path string, values url.Values) *http.Response {
	t.Helper()
	c := exampleConfig(t, "nat")
	mux := http.NewServeMux()
	(&diagnosis{config: c, director: s, leftOut: s.leftOut}).addTo(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	answer, err := http.Get(server.URL + "/v1" + path + "?" + values.Encode())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

func question(changes ...string) url.Values {
	v := url.Values{"protocol": {"tcp"}, "from": {"198.51.100.7:4242"}, "to": {"10.0.0.100:80"}}
	for i := 0; i < len(changes); i += 2 {
		v.Set(changes[i], changes[i+1])
	}
	return v
}

func TestExplainOverHTTP(t *testing.T) {
	var s scripted
	s.explanation = engine.Explanation{
		Service: &engine.ExplainedService{Name: "web"}, RealServer: netip.MustParseAddrPort("10.1.0.11:80"),
		From: netip.MustParseAddrPort("198.51.100.7:4242"), To: netip.MustParseAddrPort("10.1.0.11:80"),
		NextHop: netip.MustParseAddr("10.1.0.11"), PortOut: 1, Neighbour: "reachable", MTULeft: 1500,
	}
	answer := s.ask(t, "/explain", question("port", "back", "flags", "SA"))
	var x Explanation
	if err := json.NewDecoder(answer.Body).Decode(&x); err != nil {
		t.Fatal(err)
	}
	if s.asked.Port != 1 || s.asked.TCPFlags == 0 || !x.Forwarded || x.Leaves.Port != "back" ||
		x.Packet != "tcp 198.51.100.7:4242 -> 10.0.0.100:80" {
		t.Errorf("asked %+v, answered %+v", s.asked, x)
	}
	var text strings.Builder
	x.WriteText(&text)
	want := "packet\ttcp 198.51.100.7:4242 -> 10.0.0.100:80, received at port front\n" +
		"worker\t0\n" +
		"service\tweb (dr, rr)\n" +
		"session\tnew\n" +
		"real server\t10.1.0.11:80\n" +
		"leaves as\t198.51.100.7:4242 -> 10.1.0.11:80\n" +
		"next hop\t10.1.0.11, reachable\n" +
		"sent from\tport back, MAC 00:00:00:00:00:00, packets up to 1500 bytes\n" +
		"verdict\tforwarded\n"
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestExplainSaysWhichMode: it says by which mode the packet goes, and why, if that is not the
// service's.
func TestExplainSaysWhichMode(t *testing.T) {
	for want, modes := range map[string][3]lvs.Mode{ // service, real server, session
		"10.1.0.11:80":                      {lvs.NAT, lvs.NAT, lvs.NoMode},
		"10.1.0.11:80 (ipip, its own mode)": {lvs.NAT, lvs.IPIP, lvs.IPIP},
		"10.1.0.11:80 (dr, in which the session began; new ones nat)": {lvs.NAT, lvs.NAT, lvs.DR},
	} {
		var s scripted
		s.explanation = engine.Explanation{
			Service: &engine.ExplainedService{Name: "web", Mode: modes[0]}, ServerMode: modes[1],
			RealServer: netip.MustParseAddrPort("10.1.0.11:80"),
		}
		if modes[2] != lvs.NoMode {
			s.explanation.Session = &engine.SessionState{Mode: modes[2]}
		}
		var x Explanation
		if err := json.NewDecoder(s.ask(t, "/explain", question()).Body).Decode(&x); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if x.WriteText(&text); !strings.Contains(text.String(), "real server\t"+want+"\n") {
			t.Errorf("want %q in\n%s", want, text.String())
		}
	}
}

// TestExplainSaysWhatIsLeftOut: it says which real servers get no new sessions and why, and who
// gets them instead. Of a packet of a session its own real server counts alone.
func TestExplainSaysWhatIsLeftOut(t *testing.T) {
	s := scripted{
		explanation: engine.Explanation{Verdict: engine.DropNoRealServer, Service: &engine.ExplainedService{Name: "web"}},
		left: control.LeftOut{Pool: "the quorum is lost", More: 2, Servers: []string{
			"10.1.0.11:80 is down: connect: timeout", "10.1.0.12:80 is draining",
		}},
	}
	for session, want := range map[*engine.SessionState][2]string{
		nil: {"web ", "service\tweb (dr, rr)\npool\tthe quorum is lost\n" +
			"left out\t10.1.0.11:80 is down: connect: timeout\n\t10.1.0.12:80 is draining\n\tand 2 more\n" +
			"verdict\tdropped, no_real_server: "},
		{}: {"web 10.1.0.11:80", "real server\t10.1.0.11:80\nleft out\t10.1.0.11:80 is down"},
	} {
		s.explanation.RealServer = netip.AddrPort{}
		if s.explanation.Session = session; session != nil {
			s.explanation.RealServer = netip.MustParseAddrPort("10.1.0.11:80")
			session.Mode = lvs.DR
		}
		var x Explanation
		if err := json.NewDecoder(s.ask(t, "/explain", question()).Body).Decode(&x); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if x.WriteText(&text); s.leftAsked != want[0] || !strings.Contains(text.String(), want[1]) {
			t.Errorf("asked %q; want %q in\n%s", s.leftAsked, want, text.String())
		}
	}
}

// TestExplainSaysSlowStart: it says which part slow start has in the pick.
func TestExplainSaysSlowStart(t *testing.T) {
	for want, x := range map[string]engine.Explanation{
		"slow start\tthis real server gets 30 % of its share of new sessions for now\n":     {SlowStart: true, Share: 3},
		"slow start\tother real servers of the service get a part of their share for now\n": {SlowStart: true},
		"": {},
	} {
		x.Service = &engine.ExplainedService{Name: "web"}
		x.RealServer = netip.MustParseAddrPort("10.1.0.11:80")
		s := &scripted{explanation: x}
		var answer Explanation
		if err := json.NewDecoder(s.ask(t, "/explain", question()).Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		answer.WriteText(&text)
		if !strings.Contains(text.String(), want) || strings.Contains(text.String(), "slow") != (want != "") {
			t.Errorf("want %q in\n%s", want, text.String())
		}
	}
}

// TestExplainSaysAlone: a datagram of a one-packet service begins no session.
func TestExplainSaysAlone(t *testing.T) {
	s := &scripted{explanation: engine.Explanation{
		Service: &engine.ExplainedService{Name: "web"}, OnePacket: true,
		RealServer: netip.MustParseAddrPort("10.1.0.11:80"),
	}}
	var x Explanation
	if err := json.NewDecoder(s.ask(t, "/explain", question()).Body).Decode(&x); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	x.WriteText(&text)
	const want = "session\tnone; every datagram is scheduled on its own (one_packet)\n"
	if !x.OnePacket || !strings.Contains(text.String(), want) {
		t.Errorf("%+v is shown as\n%s", x, text.String())
	}
}

func TestExplainSaysWhyNot(t *testing.T) {
	s := scripted{explanation: engine.Explanation{Verdict: engine.DropNoService}}
	answer := s.ask(t, "/explain", question())
	var x Explanation
	if err := json.NewDecoder(answer.Body).Decode(&x); err != nil {
		t.Fatal(err)
	}
	if x.Forwarded || x.Leaves != nil ||
		x.Reason != "no_service" || x.Meaning == "" || x.Remedy == "" {
		t.Errorf("%+v", x)
	}
}

// TestExplainToHost: a packet for the host is neither forwarded nor dropped.
func TestExplainToHost(t *testing.T) {
	s := scripted{explanation: engine.Explanation{
		Verdict: engine.HandedToHost, Host: engine.HostRouting,
	}}
	answer := s.ask(t, "/explain", question())
	var x Explanation
	if err := json.NewDecoder(answer.Body).Decode(&x); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	x.WriteText(&text)
	if x.Forwarded || x.Reason != "" || x.HostClass != "routing" ||
		!strings.Contains(text.String(), "verdict\tto the host, in class routing\n") {
		t.Errorf("%+v is shown as\n%s", x, &text)
	}
}

// TestBadQuestions checks that the problem of each bad question names the bad parameter.
func TestBadQuestions(t *testing.T) {
	for _, tt := range []struct {
		path, want string
		values     url.Values
	}{
		{"/explain", "protocol:", question("protocol", "gre")},
		{"/explain", "from:", question("from", "10.0.0.1")},
		{"/explain", "to:", question("to", "vip:80")},
		{"/explain", "one family", question("to", "[fd00::1]:80")},
		{"/explain", "flags:", question("flags", "X")},
		{"/explain", "flag: unknown parameter", question("flag", "S")},
		{"/capture", "second: unknown parameter", url.Values{"second": {"1"}}},
		{"/explain", "port:", question("port", "side")},
		{"/capture", "filter", url.Values{"filter": {"tpc"}}},
		{"/capture", `expression "tpc": syntax error: see man pcap-filter`, url.Values{"expression": {"tpc"}}},
		{"/capture", `session "10.0.0.9:80 x": invalid address "x"`, url.Values{"session": {"10.0.0.9:80 x"}}},
		{"/capture", "stage:", url.Values{"stage": {"middle"}}},
		{"/capture", "packets:", url.Values{"packets": {"0"}}},
		{"/capture", "seconds:", url.Values{"seconds": {"99999999999999999999"}}},
	} {
		answer := new(scripted).ask(t, tt.path, tt.values)
		var p Problem
		if err := json.NewDecoder(answer.Body).Decode(&p); err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != http.StatusUnprocessableEntity || p.Status != answer.StatusCode ||
			!strings.Contains(p.Detail, tt.want) ||
			answer.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s?%s: %s %+v, want a problem with %q",
				tt.path, tt.values.Encode(), answer.Status, p, tt.want)
		}
	}
}

// TestCaptureOverHTTP reads a capture with another implementation of pcapng, and the trailer with
// the number of lost packets.
func TestCaptureOverHTTP(t *testing.T) {
	frame := bytes.Repeat([]byte{7}, 60)
	s := scripted{records: []capture.Record{
		{Stage: capture.Rx, Port: 1, Length: 60, Data: frame},
		{Stage: capture.Drop, Reason: uint8(engine.DropNoSession), Length: 60, Data: frame},
	}}
	answer := s.ask(t, "/capture", url.Values{"stage": {"rx", "drop"}})
	file, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for range s.records {
		if data, _, err := r.ReadPacketData(); err != nil || !bytes.Equal(data, frame) {
			t.Errorf("%x, %v", data, err)
		}
	}
	if !bytes.Contains(file, []byte("no_session: "+engine.DropNoSession.Meaning())) {
		t.Error("the reason is not in the file")
	}
	if got := answer.Trailer.Get(MissedTrailer); got != "5" {
		t.Errorf("missed: %q, want 5", got)
	}
}

// TestCaptureWithoutPackets checks that a client gets its response before the first packet, and a
// valid file if no packet comes.
func TestCaptureWithoutPackets(t *testing.T) {
	s := scripted{hold: make(chan struct{})}
	answer := s.ask(t, "/capture", url.Values{"seconds": {"5"}})
	close(s.hold)
	if _, err := pcapgo.NewNgReader(answer.Body, pcapgo.DefaultNgReaderOptions); err != nil {
		t.Error(err)
	}
	_, err := io.Copy(io.Discard, answer.Body)
	if err != nil || answer.Trailer.Get(ErrorTrailer) != "" {
		t.Error(err, answer.Trailer)
	}
}

// TestSecondCaptureIsRefused: the refusal names who captures what, and since when.
func TestSecondCaptureIsRefused(t *testing.T) {
	s := scripted{err: &engine.CapturingError{RunningCapture: engine.RunningCapture{
		From: "tcpdump (process 7 of user 0)", What: `"ip"`, Since: time.Now(),
	}}}
	answer := s.ask(t, "/capture", nil)
	var p Problem
	err := json.NewDecoder(answer.Body).Decode(&p)
	if err != nil || answer.StatusCode != http.StatusConflict ||
		!strings.Contains(p.Detail, `of "ip", by tcpdump (process 7 of user 0)`) {
		t.Errorf("%s %+v %v", answer.Status, p, err)
	}
}

// TestSelectionOfACapture: all parameters that select packets arrive, and the description has them.
func TestSelectionOfACapture(t *testing.T) {
	var s scripted
	s.ask(t, "/capture", url.Values{
		"expression": {"ip"}, "session": {"10.0.0.9"}, "filter": {"not arp"},
	})
	c := &s.captured
	if want := `"ip", session "10.0.0.9", filter "not arp"`; c.What != want ||
		c.Program == nil || c.Sessions == nil ||
		!strings.HasPrefix(c.From, "127.0.0.1:") {
		t.Errorf("%+v, want %s", c, want)
	}
	s.ask(t, "/capture", nil)
	if c.What != "all packets" || c.Program != nil || c.Sessions != nil {
		t.Errorf("%+v without a selection", c)
	}
}

// TestCaptureIsEndedByItsClient: the stream comes to its end, with its trailer.
func TestCaptureIsEndedByItsClient(t *testing.T) {
	s := scripted{until: true}
	answer := s.ask(t, "/capture", nil)
	path := answer.Request.URL.JoinPath(answer.Header.Get(CaptureHeader))
	path.RawQuery = ""
	for _, want := range []int{http.StatusNoContent, http.StatusNotFound} {
		request, err := http.NewRequest(http.MethodDelete, path.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		ended, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		ended.Body.Close()
		if ended.StatusCode != want {
			t.Errorf("DELETE %s: %s, want %d", path, ended.Status, want)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			t.Fatal(err)
		}
	}
	if got := answer.Trailer.Get(MissedTrailer); got != "5" {
		t.Errorf("missed: %q, want 5", got)
	}
}

// TestWorkersWithoutAnAnswer checks that a hanging director is a problem of status 503, not an
// endless wait.
func TestWorkersWithoutAnAnswer(t *testing.T) {
	s := scripted{err: errors.New("worker 0 does not answer")}
	if answer := s.ask(t, "/explain", question()); answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%s", answer.Status)
	}
}
