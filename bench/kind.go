package bench

import (
	"fmt"

	"fulcrum/packet"
)

// Kind is a kind of traffic.
type Kind uint8

const (
	UDP    Kind = iota // datagrams of known flows
	TCP                // data segments of established connections
	NewUDP             // datagrams, each the first of its flow
	NewTCP             // SYNs, each the first of its flow
	Lives              // whole TCP connections: SYN, ACK, data, FIN
	numKinds
)

const ackData = packet.TCPAck | packet.TCPPsh

// kinds is the one table of kinds. A step is a packet of a flow: the flags of a TCP segment, or 0
// for a datagram.
var kinds = [numKinds]struct {
	name     string
	protocol uint8
	create   []packet.TCPFlags // the steps that make the sessions before a trial
	run      []packet.TCPFlags // the steps that a flow sends during the trial
	// fresh takes flows one after the other, each with all its steps, not at random.
	fresh bool
}{
	UDP:    {"udp", packet.ProtocolUDP, []packet.TCPFlags{0}, []packet.TCPFlags{0}, false},
	TCP:    {"tcp", packet.ProtocolTCP, []packet.TCPFlags{packet.TCPSyn, packet.TCPAck}, []packet.TCPFlags{ackData}, false},
	NewUDP: {"new-udp", packet.ProtocolUDP, nil, []packet.TCPFlags{0}, true},
	NewTCP: {"new-tcp", packet.ProtocolTCP, nil, []packet.TCPFlags{packet.TCPSyn}, true},
	Lives:  {"lives", packet.ProtocolTCP, nil, []packet.TCPFlags{packet.TCPSyn, packet.TCPAck, ackData, packet.TCPFin | packet.TCPAck}, true},
}

// Kinds returns all kinds.
func Kinds() (all []Kind) {
	for k := range numKinds {
		all = append(all, k)
	}
	return all
}

// String returns the kind's name.
func (k Kind) String() string {
	if k >= numKinds {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return kinds[k].name
}

// Protocol returns the IP protocol number of the kind's packets.
func (k Kind) Protocol() uint8 { return kinds[k].protocol }

// Steps returns the number of packets that a flow sends. Of a kind with new flows, they make one
// session.
func (k Kind) Steps() int { return len(kinds[k].run) }

// MarshalText returns the kind's name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name.
func (k *Kind) UnmarshalText(text []byte) error {
	for i := range kinds {
		if kinds[i].name == string(text) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("unknown kind of traffic %q: use udp, tcp, new-udp, new-tcp or lives", text)
}

// answer returns a real server's answer to a TCP segment, and whether there is one: the bare ACK of
// a handshake gets none.
func answer(step packet.TCPFlags) (packet.TCPFlags, bool) {
	switch {
	case step&packet.TCPSyn != 0:
		return packet.TCPSyn | packet.TCPAck, true
	case step&packet.TCPFin != 0:
		return packet.TCPFin | packet.TCPAck, true
	case step&packet.TCPPsh != 0:
		return packet.TCPAck, true
	}
	return 0, false
}
