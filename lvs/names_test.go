package lvs

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestProtocols(t *testing.T) {
	if got, want := Protocols(), []Protocol{TCP, UDP, SCTP}; !slices.Equal(got, want) {
		t.Errorf("services can have %v, want %v", got, want)
	}
	type names struct {
		number           uint8
		name, flag, long string
	}
	for p, want := range map[Protocol]names{
		TCP:    {6, "tcp", "-t", "--tcp-service"},
		UDP:    {17, "udp", "-u", "--udp-service"},
		SCTP:   {132, "sctp", "--sctp-service", "--sctp-service"},
		ICMP:   {1, "icmp", "", ""},
		ICMPv6: {58, "icmp", "", ""},
		47:     {47, "47", "", ""},
	} {
		if got := (names{uint8(p), p.String(), p.Flag(), p.LongFlag()}); got != want {
			t.Errorf("%d: %+v, want %+v", p, got, want)
		}
		if got, ok := ParseProtocol(p.String()); ok != (want.flag != "") || ok && got != p {
			t.Errorf("%q is the protocol %v, %v", p, got, ok)
		}
	}
	for _, name := range []string{"", "icmp", "TCP", "6"} {
		if p, ok := ParseProtocol(name); ok || p != 0 {
			t.Errorf("%q is the protocol %v, %v", name, p, ok)
		}
	}
}

func TestPersistenceEngines(t *testing.T) {
	if got := PersistenceEngines(); !slices.Equal(got, []PersistenceEngine{EngineSIP}) {
		t.Errorf("engines %v", got)
	}
	if EngineSIP.String() != "sip" || EngineSIP.Protocol() != UDP {
		t.Errorf("%q reads protocol %s", EngineSIP, EngineSIP.Protocol())
	}
	if NoEngine.String() != "" || NoEngine.Protocol() != 0 {
		t.Errorf("no engine is %q and reads protocol %s", NoEngine, NoEngine.Protocol())
	}
	if e, ok := ParsePersistenceEngine("sip"); !ok || e != EngineSIP {
		t.Errorf("sip is %v, %v", e, ok)
	}
	for _, name := range []string{"", "SIP", "quic"} {
		if e, ok := ParsePersistenceEngine(name); ok || e != NoEngine {
			t.Errorf("%q is the engine %v, %v", name, e, ok)
		}
	}
}

func TestSchedulers(t *testing.T) {
	type properties struct {
		name            string
		weighted, turns bool
		flags           string
	}
	for s, want := range map[Scheduler]properties{
		RR:    {"rr", false, true, ""},
		WRR:   {"wrr", true, true, ""},
		LC:    {"lc", false, false, ""},
		WLC:   {"wlc", true, false, ""},
		SED:   {"sed", true, false, ""},
		NQ:    {"nq", true, false, ""},
		SH:    {"sh", true, false, "sh-fallback,sh-port"},
		DH:    {"dh", false, false, ""},
		MH:    {"mh", true, false, "mh-fallback,mh-port"},
		FO:    {"fo", false, false, ""},
		OVF:   {"ovf", false, false, ""},
		TWOS:  {"twos", true, false, ""},
		LBLC:  {"lblc", false, false, ""},
		LBLCR: {"lblcr", false, false, ""},
	} {
		got := properties{s.String(), s.Weighted(), s.Turns(),
			strings.Join(s.FlagNames(AllSchedulerFlags), ",")}
		if got != want || s.Rule() == "" {
			t.Errorf("%+v with the rule %q, want %+v", got, s.Rule(), want)
		}
		bySessions := s == LC || s == WLC || s == SED || s == NQ
		if s.BySessions() != bySessions {
			t.Errorf("%v by sessions: %t", s, !bySessions)
		}
		if got, want := s.ByVIP(), s == DH || s == LBLC || s == LBLCR; got != want {
			t.Errorf("%v goes by the VIP: %v", s, got)
		}
		slow := s.Turns() || bySessions || s == TWOS
		if s.SlowStarts() != slow || slices.Contains(SchedulersWith(Scheduler.SlowStarts), s) != slow {
			t.Errorf("%v can give a part of a share: %v", s, !slow)
		}
		if most := s.MostServers(); most != 0 && (s != MH || most != MaglevSlots) {
			t.Errorf("%v takes at most %d real servers", s, most)
		}
		if got, ok := ParseScheduler(want.name); !ok || got != s {
			t.Errorf("%q is the scheduler %v, %v", want.name, got, ok)
		}
	}
	want := []Scheduler{RR, WRR, LC, WLC, SED, NQ, SH, DH, MH, FO, OVF, TWOS, LBLC, LBLCR}
	if got := Schedulers(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, name := range []string{"", "random", "WLC", NumSchedulers.String()} {
		if s, ok := ParseScheduler(name); ok {
			t.Errorf("%q is the scheduler %v", name, s)
		}
	}
	if DefaultScheduler != WLC {
		t.Errorf("the default is %v", DefaultScheduler)
	}
}

func TestSchedulerFlags(t *testing.T) {
	type flag struct {
		of   Scheduler
		flag SchedulerFlags
	}
	for name, want := range map[string]flag{
		"sh-port": {SH, SchedPort}, "sh-fallback": {SH, SchedFallback},
		"mh-port": {MH, SchedPort}, "mh-fallback": {MH, SchedFallback},
	} {
		of, f, ok := ParseSchedulerFlag(name)
		if (flag{of, f}) != want || !ok || !slices.Equal(of.FlagNames(f), []string{name}) {
			t.Errorf("%q is the flag %v of %v, %v", name, f, of, ok)
		}
	}
	for set, want := range []string{"none", "fallback", "port", "fallback,port"} {
		if got := SchedulerFlags(set).String(); got != want {
			t.Errorf("flags %d are %q, want %q", set, got, want)
		}
	}
	for _, name := range []string{"", "sh", "wlc-port", "flag-1", "-port"} {
		if of, f, ok := ParseSchedulerFlag(name); ok {
			t.Errorf("%q is the flag %v of %v", name, f, of)
		}
	}
}

// TestStates: keys are names in lower case, and both can be parsed. conntrack compares timeouts and
// activity with the kernel's.
func TestStates(t *testing.T) {
	type properties struct {
		name, key        string
		timeout          time.Duration
		active, halfOpen bool
	}
	for s, want := range map[State]properties{
		StateNone:        {"NONE", "none", 2 * time.Second, false, false},
		StateEstablished: {"ESTABLISHED", "established", 15 * time.Minute, true, false},
		StateSynRecv:     {"SYN_RECV", "syn_recv", time.Minute, true, true},
		StateUDP:         {"UDP", "udp", 5 * time.Minute, false, false},
		StateSCTPInit1:   {"SCTP_INIT1", "sctp_init1", 4 * time.Second, false, true},
	} {
		got := properties{s.String(), s.Key(), s.Timeout(), s.Active(), s.HalfOpen()}
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if got := len(States()); got != int(NumStates) {
		t.Errorf("%d states, want %d", got, NumStates)
	}
	for _, s := range States() {
		for _, name := range []string{s.String(), s.Key()} {
			if got, ok := ParseState(name); !ok || got != s {
				t.Errorf("%q is the state %v, %v; want %v", name, got, ok, s)
			}
		}
	}
	for _, name := range []string{"", "half_open", "ESTABLISHED ", NumStates.String()} {
		if s, ok := ParseState(name); ok {
			t.Errorf("%q is the state %v", name, s)
		}
	}
}

// TestNamesAreCopies: a caller that changes a list does not change it for others.
func TestNamesAreCopies(t *testing.T) {
	Modes()[0], ModesByCost()[0], Protocols()[0] = NoMode, NoMode, 0
	if Modes()[0] != DR || ModesByCost()[0] != DR || Protocols()[0] != TCP {
		t.Errorf("lists begin with %v, %v, %v", Modes()[0], ModesByCost()[0], Protocols()[0])
	}
	Schedulers()[0], States()[0] = NumSchedulers, NumStates
	if Schedulers()[0] != RR || States()[0] != StateNone {
		t.Errorf("lists begin with %v, %v", Schedulers()[0], States()[0])
	}
}

func TestIdentities(t *testing.T) {
	for _, tt := range []struct {
		id            ServiceID
		text, name    string
		server, whole string
	}{
		{
			ServiceID{Protocol: TCP, Address: netip.MustParseAddrPort("10.0.0.100:80")},
			"tcp 10.0.0.100:80", "tcp-10.0.0.100-80",
			"10.1.0.11:8080", "10.1.0.11:8080 of tcp 10.0.0.100:80",
		},
		{
			ServiceID{Protocol: UDP, Address: netip.MustParseAddrPort("[fd00::100]:53")},
			"udp [fd00::100]:53", "udp-fd00-0000-0000-0000-0000-0000-0000-0100-53",
			"[fd00::11]:53", "[fd00::11]:53 of udp [fd00::100]:53",
		},
		{
			IDOf(mustMatch(t, "sctp [fd00::/64]:10000-10999")),
			"sctp [fd00::/64]:10000-10999", "sctp-fd00-0000-0000-0000-0000-0000-0000-0000-64-10000-10999",
			"[fd00::11]:0", "[fd00::11]:0 of sctp [fd00::/64]:10000-10999",
		},
		{
			IDOf(mustMatch(t, "tcp [fd00::fe-fd00::100]:80")),
			"tcp [fd00::fe-fd00::100]:80", "tcp-fd00-0000-0000-0000-0000-0000-0000-00fe-0100-80",
			"[fd00::11]:80", "[fd00::11]:80 of tcp [fd00::fe-fd00::100]:80",
		},
		{
			IDOf(mustMatch(t, "tcp 10.0.0.1-10.0.0.9:*")),
			"tcp 10.0.0.1-10.0.0.9:*", "tcp-10.0.0.1-10.0.0.9-all",
			"10.1.0.11:80", "10.1.0.11:80 of tcp 10.0.0.1-10.0.0.9:*",
		},
	} {
		if tt.id.String() != tt.text || tt.id.Name() != tt.name {
			t.Errorf("%v is called %q, want %q and %q", tt.id, tt.id.Name(), tt.text, tt.name)
		}
		rs := RealServerID{tt.id, netip.MustParseAddrPort(tt.server)}
		if rs.String() != tt.whole {
			t.Errorf("%v, want %s", rs, tt.whole)
		}
	}
}

func TestServerStates(t *testing.T) {
	for _, s := range ServerStates() {
		if got, ok := ParseServerState(s.Key()); !ok || got != s || s.String() == "" || s.Meaning() == "" {
			t.Errorf("%q is the state %v, %v", s.Key(), got, ok)
		}
	}
	if _, ok := ParseServerState("no neighbour"); ok {
		t.Error("a text was taken for a key")
	}
}

func mustMatch(t *testing.T, text string) Match {
	t.Helper()
	m, err := ParseMatch(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
