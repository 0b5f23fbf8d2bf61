package conntrack

import (
	"time"

	"fulcrum/lvs"
	"fulcrum/packet"
)

// State is a session's state. Package lvs has its name, default timeout and properties.
type State = lvs.State

// The states of package lvs.
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

// Timeouts are how long a session stays in each state without a packet, in milliseconds.
type Timeouts [NumStates]uint32

// MaxTimeout is the greatest timeout, so that signed differences of the 32-bit clock stay
// meaningful.
const MaxTimeout = 20 * 24 * time.Hour

// DefaultTimeouts returns the kernel's timeouts.
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

// Of returns the timeout of a state, in ms: own's, unless own is nil or zero there.
func (t *Timeouts) Of(s State, own *Timeouts) uint32 {
	if own != nil && own[s] != 0 {
		return own[s]
	}
	return t[s]
}

// Event is the meaning of a TCP segment or SCTP packet to the state table.
type Event uint8

// The events.
const (
	EventSyn Event = iota
	EventFin
	EventAck
	EventRst
	EventNone // TCP: a segment without any of these; SCTP: a packet without a chunk
	EventData // the first of SCTP: DATA, SACK, heartbeats
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

// EventOf returns the event of a TCP segment's flags, in the priority rst, syn, fin, ack.
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

// View selects the state table: the direction of a packet, whether the answers pass the director,
// and whether the table is the ordinary one or that of secure_tcp.
type View uint8

// The views.
const (
	Input     View = iota // from the client; the answers pass too (nat, fullnat)
	Output                // from the real server
	InputOnly             // from the client; the answers do not pass (dr, ipip)

	ordinaryViews
	numViews = 2 * ordinaryViews // each once more, by the denial table
)

// Denial returns the view by secure_tcp's table instead of the ordinary one. There a TCP session is
// not established by what the client alone sends, where the answers pass; and it is SYNACK, which
// drop_entry ends, until then.
func (v View) Denial() View { return v%ordinaryViews + ordinaryViews }

// Next returns the state that follows s after event e. A TCP segment without any of the four flags
// leads to Close. UDP and ICMP keep their state, and so does a state of one protocol at an event of
// another. Anyone may call it.
func Next(v View, e Event, s State) State { return transitions[v][e][s] }

// transitions are the state tables of all protocols.
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
	copy(t[ordinaryViews:], t[:ordinaryViews])
	setDenial(&t)
	return t
}()

// setTCP fills in the kernel's tables tcp_states[] of ip_vs_proto_tcp.c. Columns: none,
// established, syn_sent, syn_recv, fin_wait, time_wait, close, close_wait, last_ack, listen,
// synack.
func setTCP(t *[numViews][numEvents][NumStates]State) {
	const (
		sNO, sES, sSS, sSR, sFW = None, Established, SynSent, SynRecv, FinWait
		sTW, sCL, sCW, sLA      = TimeWait, Close, CloseWait, LastAck
		sLI, sSA                = Listen, SynAck
	)
	rows := [ordinaryViews][EventNone + 1][SynAck + 1]State{
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

// setDenial changes the denial views where the kernel's tcp_states_dos[] differs from tcp_states[].
// The ordinary table is copied to them already.
func setDenial(t *[numViews][numEvents][NumStates]State) {
	in, out, only := &t[Input.Denial()], &t[Output.Denial()], &t[InputOnly.Denial()]
	for _, e := range []Event{EventSyn, EventFin, EventAck} {
		in[e][SynAck] = SynAck
	}
	in[EventRst][SynAck] = Close
	in[EventAck][SynRecv] = SynRecv
	out[EventSyn][SynRecv], out[EventSyn][SynAck] = SynAck, SynAck
	for s := None; s <= SynAck; s++ {
		if s != Established && s != SynSent && s != SynRecv {
			only[EventSyn][s] = SynAck
		}
	}
}
