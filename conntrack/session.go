package conntrack

import (
	"fulcrum/lvs"
	"fulcrum/packet"
)

// LayoutVersion is the version of the layout of records. It changes with that.
const LayoutVersion = 5

// Sessions are found by the flows and keys of their packets.
type (
	Flow4 = packet.Flow4
	Key4  = packet.Key4
	Flow  = packet.Flow
	Key   = packet.Key
)

// Flags are a session's single-bit properties.
type Flags uint8

// The flags.
const (
	live     Flags = 1 << iota // the record holds a session
	TwoWay                     // answers pass the director: Out is in the index
	In6                        // the client sends IPv6: In has its ports, Addresses6 its addresses
	Out6                       // the real server sends IPv6; an IPv6 session without it is translated
	Limited                    // counts towards its service's limit; set by the caller of Insert
	ByClient                   // the client's end chose the worker; set by the caller of Insert
	BySource                   // counts towards its source's limit; set by the caller of Insert
)

// Session is the record of one session, of either family. The package comment has its byte map. It
// is valid while Live, and only the worker of its table may read or write it.
type Session struct {
	In         Flow4    // client -> VIP
	Protocol   uint8    // IP protocol number
	State      State    // set by Track and SetState
	Flags      Flags    // set by the table, but for Limited, ByClient and BySource
	Mode       lvs.Mode // forwarding mode, set by the caller of Insert
	Out        Flow4    // real server -> where its answers go; Dst is zero in dr and ipip
	Server     uint32   // real server id, set by the caller of Insert
	LastSeen   uint32   // time of the last packet, in ms
	PacketsIn  uint32   // modulo 2^32
	PacketsOut uint32   // modulo 2^32
	SeqDelta   uint32   // the director adds it to the client's sequence numbers
	NextHop    uint16   // number of the neighbour towards the client
	Generation uint16   // counts the sessions that this record has held
	RouteEpoch uint32   // epoch of the routes that gave NextHop
	Template   uint32   // its persistence template's place; in a free record, the next free slot
	Life       uint32   // of the template: tells it from others in that place
}

// begin makes a record whose flows are already written that of a new session. It writes each field
// in place. Go would build a literal of the whole record elsewhere and copy it in pieces of another
// size, for which the CPU has to wait.
func (s *Session) begin(protocol uint8, flags Flags, now uint32) {
	s.Protocol, s.State, s.Flags = protocol, None, flags|live
	s.Server, s.LastSeen = 0, now
	s.PacketsIn, s.PacketsOut, s.SeqDelta = 0, 0, 0
	s.NextHop, s.Generation, s.RouteEpoch = 0, s.Generation+1, 0
	s.Template, s.Life = 0, 0
}

// write4 writes the flows of a new session of an IPv4 client. An address of IPv6, to which a tunnel
// may lead, becomes zero.
func (s *Session) write4(in *Key, out *Flow) {
	in.WriteNarrow4(&s.In)
	if out.Src.Is4() {
		out.WriteNarrow4(&s.Out)
	} else {
		out.WriteNarrow(&s.Out)
	}
}

// Live reports whether the record holds a session.
func (s *Session) Live() bool { return s.Flags&live != 0 }

// Direction is one of a session's two flows.
type Direction uint8

// The directions.
const (
	Inbound  Direction = iota // client to real server
	Outbound                  // real server to client
)

// String returns "inbound" or "outbound".
func (d Direction) String() string {
	if d == Inbound {
		return "inbound"
	}
	return "outbound"
}

// Ref refers from the index to a session and one of its flows. Zero refers to nothing. It is valid
// until the session ends; Confirm tells whether it still is.
type Ref uint32

const (
	refSlotMask Ref = 1<<30 - 1 // bit 30 is spare
)

// MaxSessions is the greatest number of sessions, of both families together, in one table.
const MaxSessions = int(refSlotMask) - 1

func makeRef(slot uint32, d Direction) Ref { return Ref(slot+1) | Ref(d)<<31 }

// RefTo returns the Ref that the index has for the client's packets of the session in a slot.
func RefTo(slot uint32) Ref { return makeRef(slot, Inbound) }

// Slot returns the session's slot; the Ref must not be zero.
func (r Ref) Slot() uint32 { return uint32(r&refSlotMask) - 1 }

// Direction returns the flow of the session; the Ref must not be zero.
func (r Ref) Direction() Direction { return Direction(r >> 31) }

// flow returns the flow of s in direction d.
func (s *Session) flow(d Direction) *Flow4 {
	if d == Inbound {
		return &s.In
	}
	return &s.Out
}

// matches reports whether IPv4 packets with the key belong to the flow of s in direction d. It
// compares the flags for the family too: an IPv6 flow has zero addresses in the record.
func (s *Session) matches(d Direction, k *Key4) bool {
	return s.flow(d).Is(&k.Flow4) && s.Protocol == k.Protocol && s.Flags&flowFlags[d] == flows4[d]
}

// By direction: the flags that decide whether packets match a flow, and their values in an IPv4 and
// an IPv6 session whose packets pass the director.
var (
	flowFlags = [2]Flags{Inbound: live | In6, Outbound: live | TwoWay | Out6}
	flows4    = [2]Flags{Inbound: live, Outbound: live | TwoWay}
	flows6    = flowFlags
)
