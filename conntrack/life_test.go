package conntrack

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"fulcrum/packet"
)

// life is one session of a scenario in testdata/life. Commands:
//
//	session two-way|one-way|udp|icmp|sctp-two-way|sctp-one-way
//	                              begin a new one; two-way is nat and fullnat, one-way dr and ipip
//	timeout STATE=DURATION        before session: configure a timeout
//	in FLAG...                    a segment from the client: syn, fin, ack, rst, psh, urg;
//	                              of SCTP, its chunks
//	out FLAG...                   a segment from the real server
//	advance DURATION              let time pass
//
// Each answers with the session's state, the state's timeout, and whether it counts as an active
// connection.
type life struct {
	timeouts Timeouts
	table    *Table
	slot     uint32
	oneWay   bool
	sctp     bool
	now      uint32
}

func TestLives(t *testing.T) {
	datadriven.Walk(t, "testdata/life", func(t *testing.T, path string) {
		l := &life{timeouts: DefaultTimeouts(), now: 1<<32 - 30_000} // the clock wraps on the way
		datadriven.RunTest(t, path, l.do)
	})
}

func (l *life) do(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "timeout":
		for _, a := range d.CmdArgs {
			l.setTimeout(t, a.Key, a.Vals[0])
		}
		return ""
	case "session":
		l.begin(t, d.CmdArgs[0].Key)
	case "in", "out":
		l.segment(t, d)
	case "advance":
		l.advance(t, d.CmdArgs[0].Key)
	default:
		d.Fatalf(t, "no such command")
	}
	return l.String()
}

func (l *life) setTimeout(t *testing.T, state, duration string) {
	for s := range NumStates {
		if s.String() == state {
			l.timeouts.Set(s, mustDuration(t, duration))
			return
		}
	}
	t.Fatalf("no state %q", state)
}

func (l *life) begin(t *testing.T, kind string) {
	l.table = newTable(t, Config{Max: 1, Timeouts: l.timeouts})
	kind, l.sctp = strings.CutPrefix(kind, "sctp-")
	l.oneWay = kind == "one-way"
	in, out := flows(1)
	protocol := cmp.Or(map[string]uint8{"udp": packet.ProtocolUDP,
		"icmp": packet.ProtocolICMP}[kind], packet.ProtocolTCP)
	l.slot, _ = insert(l.table, in, out, protocol, !l.oneWay, l.now)
	if s, single := map[string]State{"udp": UDP, "icmp": ICMP}[kind]; single {
		l.table.SetState(l.slot, s, l.now)
	}
}

var flagNames = map[string]packet.TCPFlags{
	"fin": packet.TCPFin, "syn": packet.TCPSyn, "rst": packet.TCPRst,
	"psh": packet.TCPPsh, "ack": packet.TCPAck, "urg": packet.TCPUrg,
}

var chunkNames = map[string]uint8{
	"data": 0, "init": 1, "init-ack": 2, "sack": 3, "heartbeat": 4, "abort": 6, "shutdown": 7,
	"shutdown-ack": 8, "error": 9,
	"cookie-echo": 10, "cookie-ack": 11, "shutdown-complete": 14,
}

// event returns the event of a segment's flags, or of an SCTP packet's chunks.
func (l *life) event(t *testing.T, d *datadriven.TestData) Event {
	var flags packet.TCPFlags
	var chunks []byte
	for _, a := range d.CmdArgs {
		f, isFlag := flagNames[a.Key]
		kind, isChunk := chunkNames[a.Key]
		if l.sctp != isChunk || l.sctp == isFlag {
			d.Fatalf(t, "no flag %q", a.Key)
		}
		flags |= f
		chunks = append(chunks, kind, 0, 0, 5, 0, 0, 0, 0)
	}
	if l.sctp {
		return EventOfChunks(chunks)
	}
	return EventOf(flags)
}

func (l *life) segment(t *testing.T, d *datadriven.TestData) {
	view := Input
	switch {
	case d.Cmd == "out" && l.oneWay:
		d.Fatalf(t, "answers do not pass the director")
	case d.Cmd == "out":
		view = Output
	case l.oneWay:
		view = InputOnly
	}
	l.table.Track(l.slot, view, l.event(t, d), l.now)
}

// advance lets time pass and calls Expire every 50 ms.
func (l *life) advance(t *testing.T, duration string) {
	for end := l.now + uint32(mustDuration(t, duration).Milliseconds()); l.now != end; l.now += 50 {
		l.table.Expire(l.now)
	}
	l.table.Expire(l.now)
}

func (l *life) String() string {
	if l.table.Len() == 0 {
		return "ended"
	}
	s := l.table.At(l.slot).State
	counts := "inactive"
	if s.Active() {
		counts = "active"
	}
	return fmt.Sprintf("%v %v %s", s, time.Duration(l.timeouts[s])*time.Millisecond, counts)
}

func mustDuration(t *testing.T, text string) time.Duration {
	d, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}
