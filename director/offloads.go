package director

import (
	"log/slog"

	"fulcrum/control"
	"fulcrum/engine"
)

// offloads says, for each port, what has been logged about senders that leave work to a network
// card. Each is logged once: such senders go on doing so.
type offloads []struct{ partial, oversized bool }

func (w *watching) watchOffloads() {
	for i, p := range w.devices.ports {
		w.told.look(w.cfg.Log, i, p.Name(), w.engine.PortTotals(i))
	}
}

// look logs what is new about a port, given by its index.
func (o offloads) look(log *slog.Logger, port int, name string, t engine.PortTotals) {
	told := &o[port]
	if t.PartialChecksums > 0 && !told.partial {
		log.Info("packets arrive without checksum, which the director completes; to spare it that, "+
			"run on their senders: ethtool -K DEV tx off", "port", name)
	}
	if t.Oversized > 0 && !told.oversized {
		log.Warn(control.OversizedWarning(t.Oversized), "port", name)
	}
	told.partial, told.oversized = t.PartialChecksums > 0, t.Oversized > 0
}
