package engine

import "fulcrum/conntrack"

// A service may have timeouts of its own. A real server's entry refers to those of its service, so
// that a session finds them when its timeout is looked up: at a change of its state, and when its
// tick has come. A removed service's entries keep them for the sessions that are left.

// setTimeouts gives a service the timeouts of its settings.
func (c *change) setTimeouts(live *liveService) {
	var had conntrack.Timeouts
	if live.timeouts != nil {
		had = *live.timeouts
	}
	own := live.settings.Timeouts
	if had == own {
		return
	}
	c.changed = true
	c.new.timed++
	for state := range own {
		c.new.longestOwn[state] = max(c.new.longestOwn[state], own[state])
	}
	if live.timeouts = nil; own != (conntrack.Timeouts{}) {
		live.timeouts = &own
	}
}

// ownTimeouts returns the timeouts that a session's service has of its own; nil if it has none.
func (w *Worker) ownTimeouts(s *conntrack.Session) *conntrack.Timeouts {
	return w.snap.servers[s.Server].timeouts
}
