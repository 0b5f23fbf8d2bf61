package director

import (
	"log/slog"

	"fulcrum/control"
	"fulcrum/ports"
)

// mtus has, for each port, the MTU to which its kernel interface was lowered, as it was logged, in
// bytes; or 0.
type mtus []int

// look logs what has changed since the last look.
func (m mtus) look(log *slog.Logger, all []ports.Port) {
	for i, p := range all {
		l := p.Link()
		lowered := 0
		if l.MTU < p.MTU() {
			lowered = l.MTU // 0 too if it is unknown
		}
		switch {
		case l.Gone || lowered == m[i]:
			continue
		case lowered > 0:
			log.Warn(control.LoweredMTUWarning(lowered, p.MTU()), "port", p.Name())
		default:
			log.Info("the interface's MTU carries the port's packets again", "port", p.Name(),
				"mtu", p.MTU())
		}
		m[i] = lowered
	}
}
