package director

import (
	"errors"
	"strings"
	"testing"

	"fulcrum/ports"
)

// TestInterfaceIsReplaced: the director goes on while an interface is gone, and ends when it is
// back.
func TestInterfaceIsReplaced(t *testing.T) {
	b, log := newLoggingBed(t)
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	b.devices.port.SetLink(ports.Link{Gone: true})
	b.eventually("a line in the log", func() bool { return len(log.lines("interface is gone")) > 0 })
	for with, want := range map[string]string{"level=ERROR": "port=front", "link down": "port=front"} {
		if l := log.lines(with); len(l) != 1 || !strings.Contains(l[0], want) {
			t.Errorf("lines with %q: %q", with, l)
		}
	}
	if w := b.Report().PortWarnings(); len(w) != 1 || w[0].Port != "front" ||
		!strings.Contains(w[0].Warning, "gone") {
		t.Errorf("warnings: %+v", w)
	}
	if !strings.Contains(b.page(), `fulcrum_port_link_up{port="front"} 0`+"\n") {
		t.Error("the metric says that the link is up")
	}
	select {
	case <-b.Done():
		t.Fatal("the director has ended")
	default:
	}
	b.devices.port.SetLink(ports.Link{Gone: true, Returned: true})
	<-b.Done()
	replaced, ok := errors.AsType[*InterfaceReplaced](b.Stop())
	if !ok || replaced.Port != "front" || replaced.Device != "net_null0" {
		t.Errorf("it ended with %v", replaced)
	}
}

// TestInterfaceIsRenamed: the director goes on, and says once what the interface is called now.
func TestInterfaceIsRenamed(t *testing.T) {
	b, log := newLoggingBed(t)
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"eth9", "eth8"} {
		b.devices.port.SetLink(ports.Link{Up: true, Renamed: name})
		b.eventually("a line in the log", func() bool { return len(log.lines("renamed to "+name)) > 0 })
		w := b.Report().PortWarnings()
		if len(w) != 1 || w[0].Port != "front" || !strings.Contains(w[0].Warning, "renamed to "+name) {
			t.Errorf("warnings: %+v", w)
		}
	}
	if l := log.lines("renamed to"); len(l) != 2 || !strings.Contains(l[0], "port=front") {
		t.Errorf("lines: %q", l)
	}
	if l := log.lines("link down"); len(l) > 0 {
		t.Errorf("lines: %q", l)
	}
	b.devices.port.SetLink(ports.Link{Up: true})
	b.eventually("no warning", func() bool { return len(b.Report().PortWarnings()) == 0 })
	if err := b.Stop(); err != nil {
		t.Error(err)
	}
}
