package main

import (
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"fulcrum/api"
	"fulcrum/control"
	"fulcrum/lab"
	"fulcrum/lvs"
)

// A real server that is unplugged is down, gets no client any more, and comes back. What a check on
// request sees says why.
func TestHealthTraffic(t *testing.T) {
	for _, mode := range []lvs.Mode{lvs.NAT, lvs.FullNAT} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, lab.Config{Mode: mode, Arms: 2, Scheduler: lvs.RR})
			b.addHostAddress()
			b.check(`type = "http"
interval = "100ms"
timeout = "90ms"
body = "rs"
`)
			b.awaitStates("up up up")
			b.plug("rs1", false)
			b.awaitStates("down up up")
			for _, a := range b.get(24) {
				if a.Name == "rs1" {
					t.Error("a client reached the real server that is down")
				}
			}
			var trial control.Trial
			server := b.RealServers()[0].Web.String()
			err := api.NewClient(b.ControlSocket()).Do(t.Context(), http.MethodPost,
				api.ServerPath("web", server)+"/check", nil, &trial)
			if err != nil || trial.Good || trial.Up || !strings.Contains(trial.Reason, "connect") || len(trial.Last) == 0 {
				t.Errorf("%+v, %v", trial, err)
			}
			b.plug("rs1", true)
			b.awaitStates("up up up")
			if got := spread(b.get(24)); got[0] == 0 {
				t.Errorf("answers: %v", got)
			}
			b.stopDirector()
		})
	}
}

// addHostAddress gives the host an address on the real servers' network, for its checks.
func (b *bed) addHostAddress() {
	b.t.Helper()
	b.inside("director", func() error {
		link, err := netlink.LinkByName("back")
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(netip.PrefixFrom(b.RealServers()[0].Web.Addr().Prev().Prev(), 24).String())
		if err != nil {
			return err
		}
		return netlink.AddrAdd(link, a)
	})
}

// check applies the director's file with health checks of its first service.
func (b *bed) check(lines string) {
	b.t.Helper()
	text, err := os.ReadFile(b.directorFile())
	if err != nil {
		b.t.Fatal(err)
	}
	next := strings.Replace(string(text), "  [[service.real_server]]", "[service.health]\n"+lines+"  [[service.real_server]]", 1)
	var plan control.Plan
	err = api.NewClient(b.ControlSocket()).Do(b.t.Context(), http.MethodPost, "apply", []byte(next), &plan)
	if err != nil || len(plan.Changes) == 0 {
		b.t.Fatalf("applying: %v, %v", plan, err)
	}
}

// plug connects a real server to its network, or disconnects it. Its routes stay, as with a cable.
func (b *bed) plug(role string, in bool) {
	b.t.Helper()
	peer := 0
	b.inside(role, func() error {
		links, err := netlink.LinkList()
		for _, l := range links {
			if l.Type() == "veth" {
				peer = l.Attrs().ParentIndex
			}
		}
		return err
	})
	b.inside("router", func() error {
		link, err := netlink.LinkByIndex(peer)
		switch {
		case err != nil:
			return err
		case in:
			return netlink.LinkSetUp(link)
		}
		return netlink.LinkSetDown(link)
	})
}

// awaitStates waits until the real servers of the first service have these states.
func (b *bed) awaitStates(want string) {
	b.t.Helper()
	b.awaitReport(want, func(r *control.Report) bool {
		var got []string
		for _, rs := range r.Services[0].RealServers {
			got = append(got, rs.State)
		}
		return strings.Join(got, " ") == want
	})
}
