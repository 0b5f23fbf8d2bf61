package conntrack

import (
	"fulcrum/lvs"
	"fulcrum/packet"
)

// LayoutVersion names the layout of a session's record and of the index. It changes with either.
const LayoutVersion = 3

// A session is found by what its packets carry.
type (
	Flow4 = packet.Flow4
	Key4  = packet.Key4
	Flow  = packet.Flow
	Key   = packet.Key
)

// Flags are what a session needs to remember in single bits.
type Flags uint8

const (
	live   Flags = 1 << iota // the record holds a session
	queued                   // the slot is in the queue of half-open sessions
	TwoWay                   // answers pass the director: Out is indexed
	In6                      // packets from the client are IPv6: In has their ports, and Addresses6 the addresses
	Out6                     // packets of the real server are IPv6; an IPv6 session without it has them translated
)

// Session is the record of one session, of either family. See the package comment for its byte map.
type Session struct {
	In         Flow4 // client -> VIP
	Protocol   uint8
	State      State
	Flags      Flags
	Mode       lvs.Mode // forwarding mode, set by the caller of Insert
	Out        Flow4    // real server -> where its answers go; Dst is zero in dr and ipip
	Server     uint32   // real server id
	LastSeen   uint32   // ms
	PacketsIn  uint32   // modulo 2^32
	PacketsOut uint32   // modulo 2^32
	SeqDelta   uint32   // what the director added to the client's sequence numbers
	NextHop    uint16   // neighbour towards the client
	Generation uint16   // counts the sessions that this record has held
	RouteEpoch uint32   // the routes with which the next hop was found
	Template   uint32   // persistence template; in a free record, the next free slot
	_          uint32   // spare
}

// begin makes a record whose flows are written that of a new session. Each field is written where it
// belongs: a literal of the whole record would be made elsewhere and then copied, in pieces of another
// size, for which the CPU has to wait.
func (s *Session) begin(protocol uint8, flags Flags, now uint32) {
	s.Protocol, s.State, s.Flags = protocol, None, s.Flags&queued|flags|live
	s.Server, s.LastSeen = 0, now
	s.PacketsIn, s.PacketsOut, s.SeqDelta = 0, 0, 0
	s.NextHop, s.Generation, s.RouteEpoch = 0, s.Generation+1, 0
	s.Template = 0
}

// Live reports whether the record holds a session.
func (s *Session) Live() bool { return s.Flags&live != 0 }

// Direction tells which of a session's two flows a packet belongs to.
type Direction uint8

const (
	Inbound  Direction = iota // client to real server
	Outbound                  // real server to client
)

func (d Direction) String() string {
	if d == Inbound {
		return "inbound"
	}
	return "outbound"
}

// Ref refers from the index to a session and one of its flows. Zero refers to nothing.
type Ref uint32

const (
	refSlotMask Ref = 1<<30 - 1 // bit 30 is spare
)

// MaxSessions is how many sessions, of both families, a Ref can tell apart.
const MaxSessions = int(refSlotMask) - 1

func makeRef(slot uint32, d Direction) Ref { return Ref(slot+1) | Ref(d)<<31 }

// Slot returns the session's slot; the Ref must not be zero.
func (r Ref) Slot() uint32 { return uint32(r&refSlotMask) - 1 }

// Direction returns which flow of the session is meant.
func (r Ref) Direction() Direction { return Direction(r >> 31) }

// flow returns the flow of s that r refers to.
func (s *Session) flow(d Direction) *Flow4 {
	if d == Inbound {
		return &s.In
	}
	return &s.Out
}

// matches reports whether IPv4 packets with the key belong to the flow of s in direction d. The flags are asked for the family
// too: the addresses of an IPv6 flow, which the record does not hold, are zero in it.
func (s *Session) matches(d Direction, k *Key4) bool {
	return *s.flow(d) == k.Flow4 && s.Protocol == k.Protocol && s.Flags&flowFlags[d] == flows4[d]
}

// By direction, the flags that tell whose packets a flow has, and how they stand in a session whose packets are IPv4 or IPv6 and
// pass the director.
var (
	flowFlags = [2]Flags{Inbound: live | In6, Outbound: live | TwoWay | Out6}
	flows4    = [2]Flags{Inbound: live, Outbound: live | TwoWay}
	flows6    = flowFlags
)
