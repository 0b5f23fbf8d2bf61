package control

import (
	"cmp"
	"fmt"

	"fulcrum/engine"
	"fulcrum/lvs"
)

// stateOf returns the state of a configured real server: the first that holds.
func stateOf(rs *engine.RealServerReport) lvs.ServerState {
	switch {
	case rs.Standby:
		return lvs.ServerStandby
	case rs.Down:
		return lvs.ServerDown
	case rs.Unresolved:
		return lvs.ServerNoNeighbour
	case rs.Weight == 0:
		return lvs.ServerDraining
	case rs.Silent:
		return lvs.ServerSilent
	case rs.Overloaded:
		return lvs.ServerOverloaded
	case rs.Share > 0:
		return lvs.ServerSlowStart
	}
	return lvs.ServerUp
}

// split returns how many sessions of a real server are established, and how many are about to begin
// or to end. IPVS counts all UDP sessions as inactive: here they are established.
func split(p lvs.Protocol, active, inactive int) (established, closing int) {
	if p == lvs.UDP {
		return inactive, 0
	}
	return active, inactive
}

// newServerReport reports a real server of a service with a protocol.
func newServerReport(
	p lvs.Protocol, rs *engine.RealServerReport, state lvs.ServerState,
) RealServerReport {
	r := RealServerReport{
		Address: rs.Address.String(), Weight: rs.Weight, State: state.Key(),
		Active: rs.Active, Inactive: rs.Inactive, SYNsUnanswered: rs.SYNsUnanswered,
		SlowStartPercent: 100 / engine.FullShare * int(rs.Share),
		Templates:        rs.Templates, Traffic: Traffic(rs.Traffic), LocalPorts: newLocalUses(rs.Locals),
	}
	if rs.Mode != lvs.NoMode {
		r.Mode = rs.Mode.String()
	}
	r.Established, r.Closing = split(p, int(rs.Active), int(rs.Inactive))
	return r
}

// Trouble returns the state as people read it, such as "no neighbour", or "" if that is up.
func (r *RealServerReport) Trouble() string {
	state, known := lvs.ParseServerState(r.State)
	switch {
	case !known:
		return r.State // of a newer director
	case state == lvs.ServerUp:
		return ""
	}
	return state.String()
}

// StateText returns the state as people read it: with the sessions that are left if it gets no new
// ones, as in "draining (3 established, 12 closing)", with its share in slow start, and with the
// reason why it is down.
func (r *RealServerReport) StateText() string {
	text := cmp.Or(r.Trouble(), lvs.ServerUp.String())
	switch {
	case r.State == lvs.ServerDraining.Key() || r.State == lvs.ServerGone.Key():
		text += fmt.Sprintf(" (%d established, %d closing)", r.Established, r.Closing)
	case r.State == lvs.ServerSlowStart.Key():
		text += fmt.Sprintf(" (%d %%)", r.SlowStartPercent)
	case r.Why != "":
		text += ": " + short(r.Why)
	}
	return text
}

// mostReason bounds the reason in a table, in characters.
const mostReason = 60

func short(text string) string {
	if r := []rune(text); len(r) > mostReason {
		return string(r[:mostReason]) + "..."
	}
	return text
}
