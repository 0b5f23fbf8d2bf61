package lvs

import (
	"fmt"
	"strings"
	"time"
)

// State is a session's state: one of IPVS's TCP or SCTP states, or the single one of a UDP or ICMP
// session. Package conntrack says which state follows which.
type State uint8

// The states, in the order of the documentation. The numbers are not part of any interface.
const (
	StateNone State = iota // where a session of any protocol begins
	StateEstablished
	StateSynSent
	StateSynRecv
	StateFinWait
	StateTimeWait
	StateClose
	StateCloseWait
	StateLastAck
	StateListen
	StateSynAck
	StateUDP
	StateICMP
	StateSCTPInit1         // the client's first INIT
	StateSCTPInit          // the client's INIT again
	StateSCTPCookieSent    // the real server's INIT ACK
	StateSCTPCookieReplied // the client's COOKIE ECHO
	StateSCTPCookieWait    // the real server's INIT
	StateSCTPCookie        // the client's INIT ACK
	StateSCTPCookieEchoed  // the real server's COOKIE ECHO
	StateSCTPEstablished   // the other side's COOKIE ACK
	StateSCTPShutdownSent  // this one and the next two are named as the real server sees them
	StateSCTPShutdownReceived
	StateSCTPShutdownAckSent
	StateSCTPRejected // an INIT answered by an ABORT
	StateSCTPClosed
	NumStates
)

// sctpMaxRTO is RTO.Max, the longest time after which an SCTP endpoint sends again (RFC 9260, 16),
// and one second.
const sctpMaxRTO = 61 * time.Second

// states is the table of states: IPVS's names, the kernel's default timeouts, and whether a session
// counts as an active connection (Linux 6.12, net/netfilter/ipvs/ip_vs_proto_tcp.c,
// ip_vs_proto_udp.c and ip_vs_proto_sctp.c). The names of SCTP states begin with SCTP_ and are
// written in full where the kernel shortens them; see Kernel.
var states = [NumStates]struct {
	name     string
	timeout  time.Duration
	active   bool
	halfOpen bool
}{
	StateNone:        {name: "NONE", timeout: 2 * time.Second},
	StateEstablished: {name: "ESTABLISHED", timeout: 15 * time.Minute, active: true},
	StateSynSent:     {name: "SYN_SENT", timeout: 2 * time.Minute, active: true, halfOpen: true},
	StateSynRecv:     {name: "SYN_RECV", timeout: 1 * time.Minute, active: true, halfOpen: true},
	StateFinWait:     {name: "FIN_WAIT", timeout: 2 * time.Minute},
	StateTimeWait:    {name: "TIME_WAIT", timeout: 2 * time.Minute},
	StateClose:       {name: "CLOSE", timeout: 10 * time.Second},
	StateCloseWait:   {name: "CLOSE_WAIT", timeout: 1 * time.Minute},
	StateLastAck:     {name: "LAST_ACK", timeout: 30 * time.Second},
	StateListen:      {name: "LISTEN", timeout: 2 * time.Minute},
	StateSynAck:      {name: "SYNACK", timeout: 2 * time.Minute, active: true, halfOpen: true},
	StateUDP:         {name: "UDP", timeout: 5 * time.Minute},
	StateICMP:        {name: "ICMP", timeout: 1 * time.Minute},

	StateSCTPInit1:            {name: "SCTP_INIT1", timeout: 4 * time.Second, halfOpen: true},
	StateSCTPInit:             {name: "SCTP_INIT", timeout: sctpMaxRTO, halfOpen: true},
	StateSCTPCookieSent:       {name: "SCTP_COOKIE_SENT", timeout: sctpMaxRTO, halfOpen: true},
	StateSCTPCookieReplied:    {name: "SCTP_COOKIE_REPLIED", timeout: sctpMaxRTO, halfOpen: true},
	StateSCTPCookieWait:       {name: "SCTP_COOKIE_WAIT", timeout: sctpMaxRTO, halfOpen: true},
	StateSCTPCookie:           {name: "SCTP_COOKIE", timeout: sctpMaxRTO, halfOpen: true},
	StateSCTPCookieEchoed:     {name: "SCTP_COOKIE_ECHOED", timeout: sctpMaxRTO, halfOpen: true},
	StateSCTPEstablished:      {name: "SCTP_ESTABLISHED", timeout: 15 * time.Minute, active: true},
	StateSCTPShutdownSent:     {name: "SCTP_SHUTDOWN_SENT", timeout: sctpMaxRTO},
	StateSCTPShutdownReceived: {name: "SCTP_SHUTDOWN_RECEIVED", timeout: sctpMaxRTO},
	StateSCTPShutdownAckSent:  {name: "SCTP_SHUTDOWN_ACK_SENT", timeout: sctpMaxRTO},
	StateSCTPRejected:         {name: "SCTP_REJECTED", timeout: 4 * time.Second},
	StateSCTPClosed:           {name: "SCTP_CLOSED", timeout: sctpMaxRTO},
}

// States returns every state in the order of the documentation.
func States() []State { return upTo(NumStates) }

// ParseState returns the state with one of IPVS's names, in upper or lower case.
func ParseState(name string) (State, bool) {
	for s := range states {
		if strings.EqualFold(states[s].name, name) {
			return State(s), true
		}
	}
	return 0, false
}

// String returns IPVS's name of the state.
func (s State) String() string {
	if s >= NumStates {
		return fmt.Sprintf("state %d", uint8(s))
	}
	return states[s].name
}

// shortened has the SCTP states that the kernel prints shortened (Linux 6.12,
// net/netfilter/ipvs/ip_vs_proto_sctp.c, sctp_state_name_table).
var shortened = map[State]string{
	StateSCTPCookieSent:       "C-SENT",
	StateSCTPCookieReplied:    "C-REPLIED",
	StateSCTPCookieWait:       "C-WAIT",
	StateSCTPCookieEchoed:     "C-ECHOED",
	StateSCTPShutdownSent:     "S-SENT",
	StateSCTPShutdownReceived: "S-RECEIVED",
	StateSCTPShutdownAckSent:  "S-ACK-SENT",
}

// Kernel returns the name that the kernel prints, which is a shorter one for states of SCTP.
func (s State) Kernel() string {
	if short, ok := shortened[s]; ok {
		return short
	}
	return strings.TrimPrefix(s.String(), "SCTP_")
}

// Key returns the state's key in the configuration.
func (s State) Key() string { return strings.ToLower(s.String()) }

// Timeout returns how long a session stays in the state without a packet by the kernel's default.
func (s State) Timeout() time.Duration { return states[s].timeout }

// Active reports whether sessions in the state count as active connections.
func (s State) Active() bool { return states[s].active }

// HalfOpen reports whether the state belongs to a handshake that is not complete.
func (s State) HalfOpen() bool { return states[s].halfOpen }
