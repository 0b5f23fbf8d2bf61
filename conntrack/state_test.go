package conntrack

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"fulcrum/packet"
)

// The kernel's tables, and the names that they use.
const (
	tcpTables  = "testdata/ipvs-tcp-states.md"
	sctpTables = "testdata/ipvs-sctp-states.md"
	denyTables = "testdata/ipvs-tcp-denial-states.md"
)

// tableRows returns the cells of the rows of a file's tables that begin with one of names.
func tableRows(t *testing.T, file string, names ...string) [][]string {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for line := range strings.Lines(string(text)) {
		cells := strings.FieldsFunc(line, func(r rune) bool { return r == '|' || r == ' ' || r == '\n' })
		for _, name := range names {
			if len(cells) > 0 && strings.HasPrefix(line, "| "+name+" |") {
				rows = append(rows, cells)
			}
		}
	}
	return rows
}

var (
	shortNames = map[string]State{
		"NO": None, "ES": Established, "SS": SynSent, "SR": SynRecv, "FW": FinWait, "TW": TimeWait,
		"CL": Close, "CW": CloseWait, "LA": LastAck, "LI": Listen, "SA": SynAck,
	}
	shortSCTPNames = map[string]State{
		"NO": None, "I1": SCTPInit1, "IN": SCTPInit, "CS": SCTPCookieSent, "CR": SCTPCookieReplied,
		"CW": SCTPCookieWait,
		"CO": SCTPCookie, "CE": SCTPCookieEchoed, "ES": SCTPEstablished, "SS": SCTPShutdownSent,
		"SR": SCTPShutdownReceived,
		"SA": SCTPShutdownAckSent, "RJ": SCTPRejected, "CL": SCTPClosed,
	}
	views   = map[string]View{"INPUT": Input, "OUTPUT": Output, "INPUT_ONLY": InputOnly}
	denials = map[string]View{
		"INPUT": Input.Denial(), "OUTPUT": Output.Denial(), "INPUT_ONLY": InputOnly.Denial(),
	}
	events = map[string]Event{"syn": EventSyn, "fin": EventFin, "ack": EventAck, "rst": EventRst}

	sctpEvents = map[string]Event{
		"data": EventData, "init": EventInit, "init_ack": EventInitAck,
		"cookie_echo": EventCookieEcho, "cookie_ack": EventCookieAck,
		"shutdown": EventShutdown, "shutdown_ack": EventShutdownAck,
		"shutdown_complete": EventShutdownComplete,
		"error":             EventError, "abort": EventAbort,
	}
)

func TestTransitionsAreIPVSs(t *testing.T) {
	for name, c := range map[string]struct {
		views  map[string]View
		file   string
		events map[string]Event
		states map[string]State
	}{
		"TCP":                {views, tcpTables, events, shortNames},
		"SCTP":               {views, sctpTables, sctpEvents, shortSCTPNames},
		"TCP by secure_tcp":  {denials, denyTables, events, shortNames},
		"SCTP by secure_tcp": {denials, sctpTables, sctpEvents, shortSCTPNames},
	} {
		t.Run(name, func(t *testing.T) { compareTransitions(t, c.views, c.file, c.events, c.states) })
	}
}

func compareTransitions(
	t *testing.T, views map[string]View, file string, events map[string]Event, shortNames map[string]State,
) {
	header := tableRows(t, file, "table")
	if len(header) != 1 {
		t.Fatalf("%d headers in testdata", len(header))
	}
	cells := 0
	for _, row := range tableRows(t, file, "INPUT", "OUTPUT", "INPUT_ONLY") {
		for i, want := range row[2:] {
			from := header[0][i+2]
			if got := Next(views[row[0]], events[row[1]], shortNames[from]); got != shortNames[want] {
				t.Errorf("%s %s in %s: %v; want %s", row[0], row[1], from, got, want)
			}
			cells++
		}
	}
	if want := len(views) * len(events) * len(shortNames); cells != want {
		t.Errorf("%d cells compared; want %d", cells, want)
	}
}

func TestSegmentWithoutFlagsCloses(t *testing.T) {
	for name, v := range views {
		for short, s := range shortNames {
			if got := Next(v, EventNone, s); got != Close {
				t.Errorf("%s in %s: %v; want CLOSE", name, short, got)
			}
		}
	}
}

// TestOtherProtocolsKeepTheirState: UDP and ICMP keep their single state at every event. TCP and
// SCTP keep theirs at each other's events.
func TestOtherProtocolsKeepTheirState(t *testing.T) {
	for name, v := range views {
		for e := range numEvents {
			for s := Established; s < NumStates; s++ {
				ofTCP, ofSCTP := s <= SynAck, s >= SCTPInit1
				if e <= EventNone && ofTCP || e > EventNone && ofSCTP {
					continue
				}
				if got := Next(v, e, s); got != s {
					t.Errorf("%s event %d in %v: %v", name, e, s, got)
				}
			}
		}
	}
}

func TestStateNamesTimeoutsAndActivity(t *testing.T) {
	timeouts := DefaultTimeouts()
	for s := range NumStates {
		rows := append(tableRows(t, tcpTables, s.String()), tableRows(t, sctpTables, s.String())...)
		if len(rows) != 1 {
			t.Errorf("%v has %d rows in testdata", s, len(rows))
			continue
		}
		seconds, err := strconv.Atoi(rows[0][1])
		if err != nil {
			t.Fatal(err)
		}
		if timeouts[s] != uint32(seconds)*1000 {
			t.Errorf("%v: timeout %d ms; want %d s", s, timeouts[s], seconds)
		}
		if s.Active() != (rows[0][2] == "active") {
			t.Errorf("%v: active %v; want %s", s, s.Active(), rows[0][2])
		}
	}
	if got := NumStates.String(); got != "state 26" {
		t.Errorf("an unknown state is called %q", got)
	}
}

func TestHalfOpenStates(t *testing.T) {
	for s := range NumStates {
		want := s == SynSent || s == SynRecv || s == SynAck || s >= SCTPInit1 && s < SCTPEstablished
		if s.HalfOpen() != want {
			t.Errorf("%v: half-open %v", s, s.HalfOpen())
		}
	}
}

func TestEventOfFlags(t *testing.T) {
	for f := range 256 {
		flags := packet.TCPFlags(f)
		want := EventNone
		switch { // by priority: rst, syn, fin, ack
		case flags&packet.TCPRst != 0:
			want = EventRst
		case flags&packet.TCPSyn != 0:
			want = EventSyn
		case flags&packet.TCPFin != 0:
			want = EventFin
		case flags&packet.TCPAck != 0:
			want = EventAck
		}
		if got := EventOf(flags); got != want {
			t.Errorf("flags %08b: event %d; want %d", f, got, want)
		}
	}
}

func TestTimeoutsAreBounded(t *testing.T) {
	var timeouts Timeouts
	timeouts.Set(Established, 90*time.Second)
	timeouts.Set(UDP, 1000*24*time.Hour)
	if timeouts[Established] != 90_000 || timeouts[UDP] != uint32(MaxTimeout.Milliseconds()) {
		t.Errorf("timeouts %d and %d ms", timeouts[Established], timeouts[UDP])
	}
}
