package conntrack

import (
	"time"

	"fulcrum/lvs"
	"fulcrum/packet"
)

// State is a session's state. Its name, default timeout and properties stand in package lvs.
type State = lvs.State

// The states, as lvs has them.
const (
	None                 = lvs.StateNone
	Established          = lvs.StateEstablished
	SynSent              = lvs.StateSynSent
	SynRecv              = lvs.StateSynRecv
	FinWait              = lvs.StateFinWait
	TimeWait             = lvs.StateTimeWait
	Close                = lvs.StateClose
	CloseWait            = lvs.StateCloseWait
	LastAck              = lvs.StateLastAck
	Listen               = lvs.StateListen
	SynAck               = lvs.StateSynAck
	UDP                  = lvs.StateUDP
	ICMP                 = lvs.StateICMP
	SCTPInit1            = lvs.StateSCTPInit1
	SCTPInit             = lvs.StateSCTPInit
	SCTPCookieSent       = lvs.StateSCTPCookieSent
	SCTPCookieReplied    = lvs.StateSCTPCookieReplied
	SCTPCookieWait       = lvs.StateSCTPCookieWait
	SCTPCookie           = lvs.StateSCTPCookie
	SCTPCookieEchoed     = lvs.StateSCTPCookieEchoed
	SCTPEstablished      = lvs.StateSCTPEstablished
	SCTPShutdownSent     = lvs.StateSCTPShutdownSent
	SCTPShutdownReceived = lvs.StateSCTPShutdownReceived
	SCTPShutdownAckSent  = lvs.StateSCTPShutdownAckSent
	SCTPRejected         = lvs.StateSCTPRejected
	SCTPClosed           = lvs.StateSCTPClosed
	NumStates            = lvs.NumStates
)

// Timeouts say how long a session stays in each state without a packet, in milliseconds.
type Timeouts [NumStates]uint32

// MaxTimeout bounds a timeout, so that signed differences of the 32-bit clock stay meaningful.
const MaxTimeout = 20 * 24 * time.Hour

// DefaultTimeouts are the kernel's.
func DefaultTimeouts() Timeouts {
	var t Timeouts
	for _, s := range lvs.States() {
		t.Set(s, s.Timeout())
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
