package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/sched"
)

// The names that a configuration uses become numbers here, so that who configures an engine need not know the packages
// behind it.

// ParseMode returns the forwarding mode with a name.
func ParseMode(name string) (modes.Mode, error) {
	if m, ok := lvs.ParseMode(name); ok {
		return m, nil
	}
	return 0, fmt.Errorf("engine: no forwarding mode %q", name)
}

// ParseScheduler returns the scheduler with a name.
func ParseScheduler(name string) (sched.Kind, error) { return sched.Parse(name) }

// protocols are the transport protocols that services can have.
var protocols = map[string]uint8{"tcp": packet.ProtocolTCP, "udp": packet.ProtocolUDP, "sctp": packet.ProtocolSCTP}

// ParseProtocol returns the number of a transport protocol.
func ParseProtocol(name string) (uint8, error) {
	if p, ok := protocols[name]; ok {
		return p, nil
	}
	return 0, fmt.Errorf("engine: no protocol %q", name)
}

// ProtocolName returns the name of a transport protocol that services can have, icmp for that of either family, or else the number.
func ProtocolName(number uint8) string {
	if number == packet.ProtocolICMP || number == packet.ProtocolICMPv6 {
		return "icmp"
	}
	for name, p := range protocols {
		if p == number {
			return name
		}
	}
	return strconv.Itoa(int(number))
}

// tcpFlags are the letters of TCP's flags.
var tcpFlags = map[rune]packet.TCPFlags{
	'S': packet.TCPSyn, 'A': packet.TCPAck, 'F': packet.TCPFin, 'R': packet.TCPRst, 'P': packet.TCPPsh,
}

// ParseTCPFlags returns the flags of letters such as "SA".
func ParseTCPFlags(letters string) (packet.TCPFlags, error) {
	var flags packet.TCPFlags
	for _, l := range letters {
		f, ok := tcpFlags[l]
		if !ok {
			return 0, fmt.Errorf("engine: no TCP flag %q; write S, A, F, R and P as in SA", l)
		}
		flags |= f
	}
	return flags, nil
}

// ParseTimeouts returns IPVS's default timeouts, changed where byState, by the state's name in lower case, says otherwise.
func ParseTimeouts(byState map[string]time.Duration) (conntrack.Timeouts, error) {
	t := conntrack.DefaultTimeouts()
	states := map[string]conntrack.State{}
	for s := range conntrack.NumStates {
		states[strings.ToLower(s.String())] = s
	}
	for name, d := range byState {
		s, ok := states[name]
		if !ok {
			return t, fmt.Errorf("engine: no session state %q", name)
		}
		t.Set(s, d)
	}
	return t, nil
}

// ParseState returns the session state with one of IPVS's names, in upper or lower case.
func ParseState(name string) (conntrack.State, error) {
	for s := range conntrack.NumStates {
		if strings.EqualFold(s.String(), name) {
			return s, nil
		}
	}
	return 0, fmt.Errorf("engine: no session state %q", name)
}
