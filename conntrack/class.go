package conntrack

// class says what a session has shown of itself. In a full table a new session takes the place of
// one that has shown little. A confirmed one never gives way.
//
// A class follows from what the record holds anyway. An invented source can send a SYN, and an ACK
// without having seen the SYN/ACK, but a client that talks does more.
type class uint8

const (
	confirmed  class = iota
	opening          // TCP, SCTP: the handshake is not complete
	onePacket        // UDP, echo: one packet, without an answer
	exchanged        // UDP, echo: one packet and one answer; nat and fullnat
	handshaken       // TCP, SCTP: nothing after the handshake; in nat and fullnat no answer at all
	closing          // one side has closed, and nothing came for closingRest
	closed           // both sides have closed, or one has reset
	numClasses
)

// closingRest is how long a session that one side has closed is left alone, in ms: the other side
// may still send.
const closingRest = 5000

// readiness says how readily the sessions of a class give way. The class gives way first whose
// sessions times its readiness are the most. So a flood gives way to others and not to itself: in a
// flood of SYNs each followed by an ACK, the few that still are half-open are mostly clients.
var readiness = [numClasses]int{
	opening: 4, onePacket: 4, exchanged: 1, handshaken: 1, closing: 2, closed: 4,
}

// stage is the part of a session's life that its state belongs to.
type stage uint8

const (
	stageOpening stage = iota
	stageOpen
	stageDatagrams
	stageClosing
	stageClosed
)

// stages is the stage of each state.
var stages = [NumStates]stage{
	Established: stageOpen, SCTPEstablished: stageOpen,
	UDP: stageDatagrams, ICMP: stageDatagrams,
	FinWait: stageClosing, CloseWait: stageClosing,
	SCTPShutdownSent: stageClosing, SCTPShutdownReceived: stageClosing,
	TimeWait: stageClosed, Close: stageClosed, LastAck: stageClosed,
	SCTPShutdownAckSent: stageClosed, SCTPRejected: stageClosed, SCTPClosed: stageClosed,
}

// class returns the session's class at a time in ms.
func (s *Session) class(now uint32) class {
	switch stages[s.State] {
	case stageOpening:
		return opening
	case stageOpen:
		return s.openClass()
	case stageDatagrams:
		return s.datagramClass()
	case stageClosing:
		if now-s.LastSeen < closingRest {
			return confirmed
		}
		return closing
	}
	return closed
}

// handshakePackets is how many packets of the client's complete a handshake of TCP or SCTP.
const handshakePackets = 2

func (s *Session) openClass() class {
	if s.Flags&TwoWay != 0 && s.PacketsOut == 0 ||
		s.Flags&TwoWay == 0 && s.PacketsIn <= handshakePackets {
		return handshaken
	}
	return confirmed
}

func (s *Session) datagramClass() class {
	switch {
	case s.PacketsIn > 1 || s.PacketsOut > 1:
		return confirmed
	case s.PacketsOut == 1:
		return exchanged
	}
	return onePacket
}
