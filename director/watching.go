package director

import (
	"log/slog"
	"sync"
	"time"

	"fulcrum/engine"
	"fulcrum/ports"
)

// watchInterval is the time between two looks at links and address conflicts. A link that is down
// for less may go unnoticed.
const watchInterval = 200 * time.Millisecond

// mostConflicts bounds the conflicts that are logged at a time.
const mostConflicts = 10

// watching is the part that looks after the ports' networks: it has addresses announced again after
// a link came back, and logs when another station claims an address of the director, or leaves work
// to a network card. It ends the director when a port has to be opened anew.
type watching struct {
	*Director
	stop chan struct{}
	done sync.WaitGroup

	links  links
	told   offloads
	gone   []bool // by port: the loss of its interface was logged
	mtus   mtus
	logged uint64 // number of the last conflict that was logged

	renamed []string // by port: the new name of its interface that was logged, or ""
}

func (w *watching) Start() error {
	w.stop = make(chan struct{})
	w.links.look(w.devices.ports)
	w.told = make(offloads, len(w.devices.ports))
	w.gone = make([]bool, len(w.devices.ports))
	w.mtus = make(mtus, len(w.devices.ports))
	w.renamed = make([]string, len(w.devices.ports))
	w.done.Go(w.watch)
	w.running.Watch()
	return nil
}

func (w *watching) Stop() error {
	close(w.stop)
	w.done.Wait()
	return nil
}

func (w *watching) watch() {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-ticker.C:
			w.health.look(w.engine.Turns(nil), time.Now())
			w.watchLinks()
			w.watchInterfaces()
			w.mtus.look(w.cfg.Log, w.devices.ports)
			w.watchConflicts()
			w.watchOffloads()
			w.hosting.look()
			w.guards.look(time.Now())
		}
	}
}

func (w *watching) watchLinks() {
	for _, c := range w.links.look(w.devices.ports) {
		name := w.devices.ports[c.port].Name()
		if !c.up {
			w.cfg.Log.Warn("link down", "port", name)
			continue
		}
		w.cfg.Log.Info("link up; the port's addresses are announced again", "port", name)
		w.engine.AnnounceAgain(c.port)
	}
}

// links is the state of all ports' links at the last look.
type links struct{ up []bool }

// linkChange says that the link of a port, given by its index, went up or down.
type linkChange struct {
	port int
	up   bool
}

// look returns the links that have changed since the last look. The first look returns none.
func (l *links) look(all []ports.Port) (changes []linkChange) {
	first := l.up == nil
	if first {
		l.up = make([]bool, len(all))
	}
	for i, p := range all {
		up := p.Link().Up
		if up != l.up[i] && !first {
			changes = append(changes, linkChange{i, up})
		}
		l.up[i] = up
	}
	return changes
}

func (w *watching) watchConflicts() {
	if w.engine.LastConflict() == w.logged {
		return
	}
	w.logged = logConflicts(w.cfg.Log, w.engine.Conflicts(), w.logged, func(port int) string {
		return w.devices.ports[port].Name()
	})
}

// logConflicts logs the conflicts whose numbers are higher than that of the last one that was
// logged, and returns the highest number.
func logConflicts(
	log *slog.Logger, all []engine.Conflict, logged uint64, nameOf func(port int) string,
) (highest uint64) {
	n := 0
	highest = logged
	for _, c := range all {
		if c.Number <= logged {
			continue
		}
		highest = max(highest, c.Number)
		if n++; n <= mostConflicts {
			log.Warn("address conflict: another station claims an address of the director",
				"address", c.Address, "port", nameOf(c.Port), "mac", c.MAC.String())
		}
	}
	if more := n - mostConflicts; more > 0 {
		log.Warn("more address conflicts; see fulcrum status", "conflicts", more)
	}
	return highest
}
