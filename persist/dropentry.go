package persist

import "math/rand/v2"

// IPVS's drop_entry, as ip_vs_random_dropentry in net/netfilter/ipvs/ip_vs_conn.c: each second one
// of 32 templates that are not assured (not confirmed) ends, if it has no sessions.

// dropTime is the time in which drop_entry looks at as many templates as there are, in ms.
const dropTime = 32 * 1000

// mostPause is the longest time between two calls of Sweep that counts, in ms. Nobody calls it
// while there are no templates.
const mostPause = 1000

// pace is how long Sweep takes for a pass over all templates. It looks at each more often than
// drop_entry would, so that chance decides.
type pace struct {
	last    uint32 // time of the last call, ms
	present uint32 // ms, of the pass that is not over
	took    uint32 // ms, of the one before
}

// pass counts the time since the last call.
func (p *pace) pass(now uint32) {
	p.present += min(now-p.last, mostPause)
	p.last = now
}

// again begins another pass.
func (p *pace) again() { p.took, p.present = p.present, 0 }

// takes reports whether drop_entry ends the template that the sweep looks at, which has neither
// sessions nor a confirmation.
func (p *pace) takes(drop *rand.Rand) bool { return drop.Uint32N(dropTime) < p.took }
