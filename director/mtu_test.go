package director

import (
	"strings"
	"testing"

	"fulcrum/ports"
)

// TestLoweredMTUIsLogged: once for each change, and when it is over; a larger MTU is no change.
func TestLoweredMTUIsLogged(t *testing.T) {
	b, log := newLoggingBed(t)
	b.start()
	port := b.devices.port
	const lowered, over = "MTU was lowered to", "carries the port's packets again"
	said := func(what string, mtu, warnings, ends int) {
		t.Helper()
		port.SetLink(ports.Link{Up: true, MTU: mtu})
		b.eventually(what, func() bool {
			return len(log.lines(lowered)) == warnings && len(log.lines(over)) == ends
		})
	}
	said("nothing about the port's own MTU", port.MTU(), 0, 0)
	said("a lower MTU", port.MTU()-100, 1, 0)
	w := b.Report().PortWarnings()
	if len(w) != 1 || w[0].Port != "front" || !strings.Contains(w[0].Warning, lowered) {
		t.Errorf("warnings: %+v", w)
	}
	said("a still lower one", port.MTU()-200, 2, 0)
	said("a larger one", port.MTU()+100, 2, 1)
	said("a lower one again", port.MTU()-100, 3, 1)
	said("the port's own", port.MTU(), 3, 2)
	if l := log.lines(lowered)[0]; !strings.Contains(l, "level=WARN") ||
		!strings.Contains(l, "port=front") {
		t.Errorf("the log says %s", l)
	}
	if w := b.Report().PortWarnings(); len(w) != 0 {
		t.Errorf("warnings: %+v", w)
	}
}
