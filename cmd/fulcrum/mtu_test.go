package main

import (
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"fulcrum/lab"
	"fulcrum/lvs"
)

// TestLoweredMTU: an interface whose MTU is set below the port's is found out by the log, status
// and a metric, until it is raised again.
func TestLoweredMTU(t *testing.T) {
	b := newBed(t, lab.Config{Mode: lvs.DR, Arms: 1})
	status := func(form ...string) string {
		said, _ := ask(t, 0, append([]string{"status", "--socket", b.ControlSocket()}, form...)...)
		return said
	}
	const warning = "the interface's MTU was lowered to 1400, and the port's is 1500"
	b.setMTU("front", 1400)
	eventually(t, "a line in the log", func() bool {
		return strings.Contains(b.Log("director"), `level=WARN msg="`+warning)
	})
	for _, form := range []string{"table", "json"} {
		if said := status("-o", form); !strings.Contains(said, warning) {
			t.Errorf("the status as %s is %s", form, said)
		}
	}
	b.setMTU("front", 1500)
	eventually(t, "the end of it in the log", func() bool {
		return strings.Contains(b.Log("director"), "carries the port's packets again")
	})
	if said := status(); strings.Contains(said, "MTU") {
		t.Errorf("the status is %s", said)
	}
	same(t, "warnings", strings.Count(b.Log("director"), "was lowered"), 1)
}

// setMTU sets the MTU of an interface in the director's namespace.
func (b *bed) setMTU(device string, mtu int) {
	b.t.Helper()
	b.inside("director", func() error {
		link, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		return netlink.LinkSetMTU(link, mtu)
	})
}
