package conntrack

import "encoding/binary"

// setSCTP fills in the kernel's tables sctp_states[] of ip_vs_proto_sctp.c by their changes: for
// each event, the states it leads to and from where. All other states stay.
func setSCTP(t *[numViews][numEvents][NumStates]State) {
	for v := range sctpMoves {
		for e, moves := range sctpMoves[v] {
			for _, m := range moves {
				for _, from := range m.from {
					t[v][e][from] = m.to
				}
			}
		}
	}
}

// move is a state and the states from which an event leads to it.
type move struct {
	from []State
	to   State
}

var sctpMoves = func() [ordinaryViews]map[Event][]move {
	const (
		sNO, sI1, sIN, sCS, sCR = None, SCTPInit1, SCTPInit, SCTPCookieSent, SCTPCookieReplied
		sCW, sCO, sCE           = SCTPCookieWait, SCTPCookie, SCTPCookieEchoed
		sES, sRJ, sCL           = SCTPEstablished, SCTPRejected, SCTPClosed
		sSS, sSR, sSA           = SCTPShutdownSent, SCTPShutdownReceived, SCTPShutdownAckSent
	)
	type from = []State
	return [ordinaryViews]map[Event][]move{
		Input: {
			EventData:             {{from{sNO}, sES}},
			EventInit:             {{from{sNO}, sI1}, {from{sI1, sRJ, sCL}, sIN}},
			EventInitAck:          {{from{sNO, sI1, sIN}, sCW}, {from{sCW}, sCO}},
			EventCookieEcho:       {{from{sNO, sCS}, sCR}, {from{sI1}, sIN}},
			EventCookieAck:        {{from{sNO, sCE}, sES}},
			EventShutdown:         {{from{sNO, sES}, sSR}},
			EventShutdownAck:      {{from{sNO, sSS, sSA}, sCL}, {from{sI1}, sIN}},
			EventShutdownComplete: {{from{sNO, sI1, sIN, sSA}, sCL}},
			EventError:            {{from{sNO, sCE}, sCL}},
			EventAbort: {{from{sNO, sI1, sIN, sCS, sCR, sCO, sCE, sES, sSS, sSR, sSA, sRJ}, sCL},
				{from{sCW}, sRJ}},
		},
		Output: {
			EventData:             {{from{sNO}, sES}},
			EventInit:             {{from{sNO, sI1, sIN, sCS, sCR, sCO, sCE, sSS, sSR, sSA, sRJ, sCL}, sCW}},
			EventInitAck:          {{from{sNO, sI1, sIN}, sCS}},
			EventCookieEcho:       {{from{sNO, sI1, sIN, sCS, sCR, sCW, sCO}, sCE}},
			EventCookieAck:        {{from{sNO, sI1, sIN, sCS, sCR, sCW, sCO, sCE}, sES}},
			EventShutdown:         {{from{sNO, sI1, sIN, sCS, sCR, sCW, sCO, sCE, sES}, sSS}},
			EventShutdownAck:      {{from{sNO, sI1, sIN, sCS, sCR, sSS, sSR}, sSA}},
			EventShutdownComplete: {{from{sNO}, sCL}},
			EventError:            {{from{sNO, sI1, sIN, sCS, sCR}, sCL}},
			EventAbort: {{from{sNO, sIN, sCS, sCR, sCW, sCO, sCE, sES, sSS, sSR, sSA, sRJ}, sCL},
				{from{sI1}, sRJ}},
		},
		InputOnly: {
			EventData:             {{from{sNO, sCW}, sES}},
			EventInit:             {{from{sNO}, sI1}, {from{sI1, sCS, sCR, sCW, sRJ, sCL}, sIN}},
			EventInitAck:          {{from{sNO, sI1, sIN, sCS, sCR, sCW}, sCE}},
			EventCookieEcho:       {{from{sNO, sI1, sIN, sCS, sCR, sCW}, sES}},
			EventCookieAck:        {{from{sNO, sCS, sCR, sCO, sCE}, sES}},
			EventShutdown:         {{from{sNO, sES}, sSR}},
			EventShutdownAck:      {{from{sNO, sES, sSS, sSA}, sCL}, {from{sI1}, sIN}},
			EventShutdownComplete: {{from{sNO, sI1, sIN, sCS, sCR, sSR, sSA}, sCL}},
			EventError:            {{from{sNO}, sCL}},
			EventAbort: {{from{sNO, sI1, sIN, sCS, sCR, sCO, sCE, sES, sSS, sSR, sSA, sRJ}, sCL},
				{from{sCW}, sRJ}},
		},
	}
}()

// chunkEvents has the event of each chunk type (RFC 9260, 3.2). A type without an event of its own
// counts as data.
var chunkEvents = func() (t [256]Event) {
	for kind := range t {
		t[kind] = EventData
	}
	t[1], t[2], t[6] = EventInit, EventInitAck, EventAbort
	t[7], t[8], t[14] = EventShutdown, EventShutdownAck, EventShutdownComplete
	t[9], t[10], t[11] = EventError, EventCookieEcho, EventCookieAck
	return t
}()

// chunkHeader is the size of a chunk's header in bytes: type 1, flags 1, length 2. The length
// includes the header and the value, not the padding to four bytes.
const chunkHeader = 4

// EventOfChunks returns the event of the chunks that follow an SCTP packet's common header: that of
// the first chunk, or EventAbort if an ABORT follows a COOKIE ECHO or COOKIE ACK. It returns
// EventNone without a chunk; such a packet should not begin a session.
func EventOfChunks(chunks []byte) Event {
	if len(chunks) < chunkHeader {
		return EventNone
	}
	first := chunkEvents[chunks[0]]
	if first != EventCookieEcho && first != EventCookieAck {
		return first
	}
	length := int(binary.BigEndian.Uint16(chunks[2:4]))
	next := (length + 3) &^ 3
	if length >= chunkHeader && next+chunkHeader <= len(chunks) &&
		chunkEvents[chunks[next]] == EventAbort {
		return EventAbort
	}
	return first
}
