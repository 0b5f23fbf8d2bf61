package director

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"fulcrum/api"
)

// stuckAfter is how long a worker may be away from its ports before the director is said to be
// unhealthy: far longer than a pause for garbage collection or a busy CPU, and half of the time
// after which the systemd unit's watchdog ends the director.
const stuckAfter = 5 * time.Second

// phase is how far a director has come.
type phase int32

const (
	starting phase = iota
	forwards
	stopping
)

// health tells supervisors whether the director lives, and whether it is ready for traffic.
type health struct {
	*Director
	patience time.Duration // how long a worker may be away from its ports
	phase    atomic.Int32  // a phase

	mu    sync.Mutex  // guards the fields below
	turns []uint64    // of each worker at the last look
	since []time.Time // when the worker was first seen with that many
}

func newHealth(d *Director) *health { return &health{Director: d, patience: stuckAfter} }

func (h *health) set(p phase) { h.phase.Store(int32(p)) }

func (h *health) now() phase { return phase(h.phase.Load()) }

// look notes which workers have turned since the last look, and returns for how long each has not.
func (h *health) look(turns []uint64, now time.Time) []time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.turns == nil {
		h.turns, h.since = make([]uint64, len(turns)), make([]time.Time, len(turns))
	}
	away := make([]time.Duration, len(turns))
	for i, n := range turns {
		if h.since[i].IsZero() || n != h.turns[i] {
			h.turns[i], h.since[i] = n, now
		}
		away[i] = now.Sub(h.since[i])
	}
	return away
}

// live returns the reasons to start the director anew.
func (h *health) live() (reasons []string) {
	if h.now() != forwards {
		return nil
	}
	for i, away := range h.look(h.engine.Turns(nil), time.Now()) {
		if away >= h.patience {
			reasons = append(reasons, fmt.Sprintf("worker %d is stuck: it has not polled its ports for %s",
				i, away.Round(time.Second/10)))
		}
	}
	return reasons
}

// ready returns the reasons to send the director no traffic.
func (h *health) ready() []string {
	switch h.now() {
	case starting:
		return []string{"the director is starting"}
	case stopping:
		return []string{"the director is stopping"}
	}
	reasons := h.live()
	for _, p := range h.devices.ports {
		switch link := p.Link(); {
		case link.Gone:
			reasons = append(reasons, fmt.Sprintf("port %s: its network interface is gone", p.Name()))
		case !link.Up:
			reasons = append(reasons, fmt.Sprintf("port %s: the link is down", p.Name()))
		}
	}
	return reasons
}

func (h *health) checks() api.Checks { return api.Checks{Live: h.live, Ready: h.ready} }
