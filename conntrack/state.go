package conntrack

import (
	"fmt"
	"time"

	"fulcrum/packet"
)

// State is a session's state: one of IPVS's TCP or SCTP states, or the single one of a UDP or ICMP
// session. None is where a session of any protocol begins.
type State uint8

const (
	None State = iota
	Established
	SynSent
	SynRecv
	FinWait
	TimeWait
	Close
	CloseWait
	LastAck
	Listen
	SynAck
	UDP
	ICMP
	SCTPInit1         // the client's first INIT
	SCTPInit          // the client's INIT again
	SCTPCookieSent    // the real server's INIT ACK
	SCTPCookieReplied // the client's COOKIE ECHO
	SCTPCookieWait    // the real server's INIT
	SCTPCookie        // the client's INIT ACK
	SCTPCookieEchoed  // the real server's COOKIE ECHO
	SCTPEstablished   // the other side's COOKIE ACK
	SCTPShutdownSent  // as the real server sees it, as all of these
	SCTPShutdownReceived
	SCTPShutdownAckSent
	SCTPRejected // an INIT answered by an ABORT
	SCTPClosed
	NumStates
)

// states is the one table of states: IPVS's names, the kernel's default timeouts, and what counts as an
// active connection (Linux 6.12, net/netfilter/ipvs/ip_vs_proto_tcp.c, ip_vs_proto_udp.c and
// ip_vs_proto_sctp.c). The SCTP states' names begin with SCTP_, and are written out where the kernel's ipvsadm shortens them.
var states = [NumStates]struct {
	name    string
	timeout time.Duration
	active  bool
}{
	None:        {"NONE", 2 * time.Second, false},
	Established: {"ESTABLISHED", 15 * time.Minute, true},
	SynSent:     {"SYN_SENT", 2 * time.Minute, true},
	SynRecv:     {"SYN_RECV", 1 * time.Minute, true},
	FinWait:     {"FIN_WAIT", 2 * time.Minute, false},
	TimeWait:    {"TIME_WAIT", 2 * time.Minute, false},
	Close:       {"CLOSE", 10 * time.Second, false},
	CloseWait:   {"CLOSE_WAIT", 1 * time.Minute, false},
	LastAck:     {"LAST_ACK", 30 * time.Second, false},
	Listen:      {"LISTEN", 2 * time.Minute, false},
	SynAck:      {"SYNACK", 2 * time.Minute, true},
	UDP:         {"UDP", 5 * time.Minute, false},
	ICMP:        {"ICMP", 1 * time.Minute, false},

	SCTPInit1:            {"SCTP_INIT1", 4 * time.Second, false},
	SCTPInit:             {"SCTP_INIT", sctpMaxRTO, false},
	SCTPCookieSent:       {"SCTP_COOKIE_SENT", sctpMaxRTO, false},
	SCTPCookieReplied:    {"SCTP_COOKIE_REPLIED", sctpMaxRTO, false},
	SCTPCookieWait:       {"SCTP_COOKIE_WAIT", sctpMaxRTO, false},
	SCTPCookie:           {"SCTP_COOKIE", sctpMaxRTO, false},
	SCTPCookieEchoed:     {"SCTP_COOKIE_ECHOED", sctpMaxRTO, false},
	SCTPEstablished:      {"SCTP_ESTABLISHED", 15 * time.Minute, true},
	SCTPShutdownSent:     {"SCTP_SHUTDOWN_SENT", sctpMaxRTO, false},
	SCTPShutdownReceived: {"SCTP_SHUTDOWN_RECEIVED", sctpMaxRTO, false},
	SCTPShutdownAckSent:  {"SCTP_SHUTDOWN_ACK_SENT", sctpMaxRTO, false},
	SCTPRejected:         {"SCTP_REJECTED", 4 * time.Second, false},
	SCTPClosed:           {"SCTP_CLOSED", sctpMaxRTO, false},
}

// sctpMaxRTO is the longest time after which an SCTP endpoint sends again (RFC 9260, 16: RTO.Max), and one second.
const sctpMaxRTO = 61 * time.Second

// String returns IPVS's name of the state.
func (s State) String() string {
	if s >= NumStates {
		return fmt.Sprintf("state %d", uint8(s))
	}
	return states[s].name
}

// Active reports whether sessions in the state count as active connections.
func (s State) Active() bool { return states[s].active }

// HalfOpen reports whether the state is one of a handshake that has not been completed. Such sessions
// give way when the table is full.
func (s State) HalfOpen() bool { return halfOpen>>s&1 != 0 }

// halfOpen has a bit for each of these states.
const halfOpen uint64 = 1<<SynRecv | 1<<SynSent | 1<<SynAck |
	1<<SCTPInit1 | 1<<SCTPInit | 1<<SCTPCookieSent | 1<<SCTPCookieReplied | 1<<SCTPCookieWait | 1<<SCTPCookie | 1<<SCTPCookieEchoed

// Timeouts say how long a session stays in each state without a packet, in milliseconds.
type Timeouts [NumStates]uint32

// MaxTimeout bounds a timeout, so that signed differences of the 32-bit clock stay meaningful.
const MaxTimeout = 20 * 24 * time.Hour

// DefaultTimeouts are the kernel's.
func DefaultTimeouts() Timeouts {
	var t Timeouts
	for s := range states {
		t.Set(State(s), states[s].timeout)
	}
	return t
}

// Set sets one state's timeout, at most MaxTimeout.
func (t *Timeouts) Set(s State, d time.Duration) {
	t[s] = uint32(min(d, MaxTimeout).Milliseconds())
}

// Event is what a TCP segment or SCTP packet means to the state table.
type Event uint8

const (
	EventSyn Event = iota
	EventFin
	EventAck
	EventRst
	EventNone // of TCP, a segment without any of these; of SCTP, a packet without a chunk
	EventData // and the first of SCTP: DATA, SACK, heartbeats
	EventInit
	EventInitAck
	EventCookieEcho
	EventCookieAck
	EventShutdown
	EventShutdownAck
	EventShutdownComplete
	EventError
	EventAbort
	numEvents
)

// EventOf returns the event of a segment's flags, by the priority rst, syn, fin, ack.
func EventOf(f packet.TCPFlags) Event {
	switch {
	case f&packet.TCPRst != 0:
		return EventRst
	case f&packet.TCPSyn != 0:
		return EventSyn
	case f&packet.TCPFin != 0:
		return EventFin
	case f&packet.TCPAck != 0:
		return EventAck
	}
	return EventNone
}

// View says which packets of a session pass the director, and in which direction one goes: it
// chooses the state table.
type View uint8

const (
	Input     View = iota // from the client; the answers pass too (nat, fullnat)
	Output                // from the real server
	InputOnly             // from the client; the answers do not pass (dr, ipip)
	numViews
)

// Next returns the state that follows. A TCP segment without any of the four flags closes. UDP and ICMP
// stay what they are, and so does a state of one protocol at another's event.
func Next(v View, e Event, s State) State { return transitions[v][e][s] }

// transitions are the tables of all protocols.
var transitions = func() (t [numViews][numEvents][NumStates]State) {
	for v := range t {
		for e := range t[v] {
			for s := range t[v][e] {
				t[v][e][s] = State(s)
			}
		}
	}
	setTCP(&t)
	setSCTP(&t)
	return t
}()

// setTCP fills in the kernel's tables tcp_states[] of ip_vs_proto_tcp.c. Columns: none, established,
// syn_sent, syn_recv, fin_wait, time_wait, close, close_wait, last_ack, listen, synack.
func setTCP(t *[numViews][numEvents][NumStates]State) {
	const (
		sNO, sES, sSS, sSR, sFW = None, Established, SynSent, SynRecv, FinWait
		sTW, sCL, sCW, sLA      = TimeWait, Close, CloseWait, LastAck
		sLI, sSA                = Listen, SynAck
	)
	rows := [numViews][EventNone + 1][SynAck + 1]State{
		Input: {
			EventSyn: {sSR, sES, sES, sSR, sSR, sSR, sSR, sSR, sSR, sSR, sSR},
			EventFin: {sCL, sCW, sSS, sTW, sTW, sTW, sCL, sCW, sLA, sLI, sTW},
			EventAck: {sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sCL, sLI, sES},
			EventRst: {sCL, sCL, sCL, sSR, sCL, sCL, sCL, sCL, sLA, sLI, sSR},
		},
		Output: {
			EventSyn: {sSS, sES, sSS, sSR, sSS, sSS, sSS, sSS, sSS, sLI, sSR},
			EventFin: {sTW, sFW, sSS, sTW, sFW, sTW, sCL, sTW, sLA, sLI, sTW},
			EventAck: {sES, sES, sSS, sES, sFW, sTW, sCL, sCW, sLA, sES, sES},
			EventRst: {sCL, sCL, sSS, sCL, sCL, sTW, sCL, sCL, sCL, sCL, sCL},
		},
	}
	rows[InputOnly] = rows[Input]
	rows[InputOnly][EventFin][sES] = sFW
	rows[InputOnly][EventFin][sFW] = sFW
	rows[InputOnly][EventRst][sSA] = sCL
	for v := range rows {
		for s := range rows[v][EventNone] {
			rows[v][EventNone][s] = sCL
		}
		for e := range rows[v] {
			copy(t[v][e][:], rows[v][e][:])
		}
	}
}
