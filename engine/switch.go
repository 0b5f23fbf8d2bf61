package engine

import (
	"fulcrum/conntrack"
	"fulcrum/packet"
)

// Switch is a key of [session] that decided about a packet in question, and what it decided.
type Switch uint8

// The switches that an explanation names.
const (
	SwitchReuse      Switch = iota // conn_reuse_mode ends the session
	SwitchNoReuse                  // conn_reuse_mode keeps a session that another value would end
	SwitchNoDest                   // expire_nodest ends the session
	SwitchSloppyTCP                // sloppy_tcp begins the session
	SwitchNATICMP                  // nat_icmp_send answers
	SwitchPMTUDisc                 // pmtu_disc is off for the tunnel
	SwitchDropEntry                // drop_entry is active, and may end the session
	SwitchDropPacket               // drop_packet is active for packets that would begin a session
	SwitchSecureTCP                // secure_tcp is active

	numSwitches = iota
)

var switches = [numSwitches]struct{ key, meaning string }{
	SwitchReuse:     {"conn_reuse_mode", "the session has ended, and another begins"},
	SwitchNoReuse:   {"conn_reuse_mode", "a new connection stays with the session that has ended"},
	SwitchNoDest:    {"expire_nodest", "the session leaves its real server"},
	SwitchSloppyTCP: {"sloppy_tcp", "a packet without SYN begins a session"},
	SwitchNATICMP:   {"nat_icmp_send", "a nat real server is told that there is no session"},
	SwitchPMTUDisc:  {"pmtu_disc", "it is off: longer packets go on in fragments, also with DF"},
	SwitchDropEntry: {"drop_entry", "it is active, and ends sessions that are half-open, or silent " +
		"after few packets"},
	SwitchDropPacket: {"drop_packet", "it is active: of the packets that would begin a session, one " +
		"of several is dropped"},
	SwitchSecureTCP: {"secure_tcp", "it is active: the session goes by the denial state table"},
}

// String returns the key.
func (s Switch) String() string { return switches[s].key }

// Meaning returns what the switch decided.
func (s Switch) Meaning() string { return switches[s].meaning }

// explainsAnew reports whether the packet in question would end its session and begin another, and
// by which switch.
func (w *Worker) explainsAnew(q *Question, ref conntrack.Ref) (Switch, bool) {
	if ref.Direction() == conntrack.Outbound {
		return 0, false
	}
	s := w.sessions.At(ref.Slot())
	if q.opens() && w.isReused(s) {
		return SwitchReuse, true
	}
	drained := q.opens() && w.leavesDrained(s)
	gone := w.snap.settings.ExpireNoDest && w.snap.servers[s.Server].gone
	return SwitchNoDest, drained || gone
}

// keepsEnded reports whether only conn_reuse_mode keeps the packet in question from beginning
// another session.
func (w *Worker) keepsEnded(q *Question, ref conntrack.Ref) bool {
	s := w.sessions.At(ref.Slot())
	return q.opens() && ref.Direction() == conntrack.Inbound &&
		hasEnded(s, reuseFinWait) && !w.isControlled(s)
}

// defencesOf returns the active defences that concern the session in a slot.
func (w *Worker) defencesOf(slot uint32) (all []Switch) {
	client := w.sessions.Flow(slot, conntrack.Inbound).Src
	if w.guarding.entries[clientFamily(client)] && w.sessions.MayDrop(slot, w.now) {
		all = append(all, SwitchDropEntry)
	}
	if w.sessions.At(slot).Protocol == packet.ProtocolTCP && w.ways == denialWays {
		all = append(all, SwitchSecureTCP)
	}
	return all
}

// defencesOfNew returns the active defences that concern a packet which would begin a session.
func (w *Worker) defencesOfNew(a *arrival, d *decision) (all []Switch) {
	g, f := &w.guarding, clientFamily(a.key.Src)
	if g.shedding[f].every != 0 {
		all = append(all, SwitchDropPacket)
	}
	if g.entries[f] && !d.lone {
		all = append(all, SwitchDropEntry)
	}
	if a.key.Protocol == packet.ProtocolTCP && w.ways == denialWays {
		all = append(all, SwitchSecureTCP)
	}
	return all
}
