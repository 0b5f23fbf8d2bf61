package director

import (
	"log/slog"
	"time"

	"fulcrum/engine"
)

// How often refused moves of neighbours are looked for, and how often they are logged at most: a
// forger does not set the pace of the log.
const (
	movesInterval = time.Second
	movesPause    = 10 * time.Second
)

// moves is the part that logs claims of other MACs on neighbours that still answered.
type moves struct {
	*Director
	stop, ended chan struct{}
	logged      uint64    // refused moves at the last line
	last        time.Time // of the last line; zero if there was none
}

func (m *moves) Start() error {
	m.stop, m.ended = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(m.ended)
		ticks := time.NewTicker(movesInterval)
		defer ticks.Stop()
		for {
			select {
			case <-m.stop:
				return
			case now := <-ticks.C:
				total, last := m.engine.RefusedMoves()
				m.look(now, total, &last)
			}
		}
	}()
	return nil
}

func (m *moves) Stop() error {
	close(m.stop)
	<-m.ended
	return nil
}

// look logs how many moves were refused since the last line, if any were, and the last of them.
func (m *moves) look(now time.Time, total uint64, last *engine.RefusedMove) {
	if total == m.logged || !m.last.IsZero() && now.Sub(m.last) < movesPause {
		return
	}
	m.cfg.Log.Warn("another station claims a neighbour's address; the neighbour still answers and stays",
		slog.String("address", last.Address.String()),
		slog.String("port", m.cfg.Config.Ports[last.Port].Name),
		slog.String("mac", last.MAC.String()), slog.String("claimed_by", last.Claimant.String()),
		slog.Uint64("claims", total-m.logged))
	m.logged, m.last = total, now
}
