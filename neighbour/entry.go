package neighbour

import "fulcrum/packet"

// Entry is a station on a port's network. It fills one cache line. The caller may read the exported
// fields, and may write only Used.
type Entry struct {
	Address packet.Addr // the station's
	Source  packet.Addr // the port's own address towards it; valid for gateways and after Want
	MACs    [12]byte    // destination and source, as an Ethernet header begins; valid if HasMAC
	Port    uint16      // number of the port
	MTU     uint16      // of the port, in bytes of IP
	// Generation is raised whenever the place is forgotten. A caller that remembers it with the Hop
	// can tell that the place now belongs to another station.
	Generation uint16
	state      State
	tries      uint8  // questions since the last answer
	since      uint32 // ms: when it was confirmed or heard of, or last asked
	wish       uint32 // ms: the last Want; valid if wanted
	wanted     bool   // a real server needs it, and the wish has not lapsed
	queue      uint8  // index + 1 of the queue in which packets wait for it
	Used       bool   // a packet was sent there since the last confirmation; the caller sets it
	Gateway    bool   // it is a route's gateway
}

// record is what a table keeps about an entry beside it. No packet needs it.
type record struct {
	prev, next Hop // in the list of its class
	class      class
	// proven says that the MAC in the entry has answered a question. It stays true while the same
	// MAC is asked for again.
	proven bool
	hint   bool   // its MAC comes from a Hint, and nothing was asked or heard since
	asked  uint32 // ms: the last question
	// The last message that the other workers were told of; valid if toldMAC is not zero.
	toldAt     uint32 // ms
	toldMAC    packet.MAC
	toldAnswer bool
	dispute
}

// HasMAC reports whether the MAC is known, so that packets can be sent.
func (e *Entry) HasMAC() bool { return e.state >= Reachable }

// MAC returns the station's Ethernet address, valid if HasMAC.
func (e *Entry) MAC() packet.MAC { return packet.MAC(e.MACs[0:6]) }

// State returns how far the resolution has come.
func (e *Entry) State() State { return e.state }

// Pinned reports whether the entry is kept even without packets to it: it is a gateway, or a real
// server needs it.
func (e *Entry) Pinned() bool { return e.Gateway || e.wanted }

// kept reports whether the configuration needs the entry, so that it never gives way to a stranger.
func (e *Entry) kept() bool { return e.Pinned() || e.state == Static }

// Age returns the time in ms since the entry was confirmed or heard of, or since the last question.
func (e *Entry) Age(now uint32) uint32 { return now - e.since }

// Unreachable reports whether packets are dropped: the station did not answer, and it is too early
// to ask again.
func (e *Entry) Unreachable(now uint32) bool { return e.state == Failed && now-e.since < Retry }

// set writes the MAC of a station. src is the port's own MAC.
func (e *Entry) set(state State, mac, src packet.MAC, now uint32) {
	copy(e.MACs[0:6], mac[:])
	copy(e.MACs[6:12], src[:])
	e.state, e.since, e.tries, e.Used = state, now, 0, false
}
