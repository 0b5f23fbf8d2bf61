package director

import (
	"fmt"

	"fulcrum/control"
	"fulcrum/ports"
)

// InterfaceReplaced is the error of a director that has ended because the network interface of a
// port was deleted and made again. A director that is started anew opens it.
type InterfaceReplaced struct {
	Port, Device string // as configured
}

// Error says what happened and what to do.
func (e *InterfaceReplaced) Error() string {
	return fmt.Sprintf("port %q: the network interface of %s was deleted and made again, and the "+
		"director cannot use the new one: start the director again", e.Port, e.Device)
}

// watchInterfaces logs that a port's interface is gone. The other ports go on: a director that is
// started without the interface would not open any. Once the interface is back, the director ends.
func (w *watching) watchInterfaces() {
	for i, p := range w.devices.ports {
		l, device := p.Link(), w.cfg.Config.Ports[i].Device
		if l.Gone && !w.gone[i] {
			w.cfg.Log.Error("the port's network interface is gone; its packets are lost, and the "+
				"director ends when the interface is made again", "port", p.Name(), "device", device)
		}
		w.gone[i] = l.Gone
		w.watchName(i, l)
		if l.Returned {
			w.workers.end(&InterfaceReplaced{p.Name(), device})
		}
	}
}

// watchName logs each new name of a port's interface, which goes on.
func (w *watching) watchName(port int, l ports.Link) {
	if l.Renamed != w.renamed[port] && l.Renamed != "" {
		w.cfg.Log.Warn(control.RenamedWarning(l.Renamed), "port", w.devices.ports[port].Name())
	}
	w.renamed[port] = l.Renamed
}
