package main

import (
	"net/http"
	"testing"

	"fulcrum/api"
	"fulcrum/control"
	"fulcrum/lab"
	"fulcrum/lvs"
)

// TestOnePacketTraffic: in dr and ipip the answers of a one-packet service arrive, from all real
// servers in equal shares, and no session is left.
func TestOnePacketTraffic(t *testing.T) {
	for _, mode := range []lvs.Mode{lvs.DR, lvs.IPIP} {
		for _, family := range []lab.Family{lab.IPv4, lab.IPv6} {
			t.Run(mode.String()+"/"+family.String(), func(t *testing.T) {
				t.Parallel()
				b := newBed(t, lab.Config{Mode: mode, Arms: 2, Scheduler: lvs.RR, Family: family})
				b.onePacket()
				b.checkAnswers("udp", b.echo(echoes/2), [3]int{1, 1, 1})
				b.awaitReport("no session", func(r *control.Report) bool {
					return r.Services[1].Connections == echoes/2 && r.Workers[0].Sessions == 0
				})
				same(t, "drops", b.stopDirector().Drops, map[string]uint64{})
			})
		}
	}
}

// onePacket makes the UDP service of the lab a one-packet service.
func (b *bed) onePacket() {
	b.t.Helper()
	client, on := api.NewClient(b.ControlSocket()), true
	var services []control.ServiceReport
	err := client.Do(b.t.Context(), http.MethodGet, "services", nil, &services)
	if err != nil {
		b.t.Fatal(err)
	}
	change := control.ServiceChange{ServiceSettings: control.ServiceSettings{OnePacket: &on}}
	err = client.Do(b.t.Context(), http.MethodPatch, "services/"+services[1].Name, change, nil)
	if err != nil {
		b.t.Fatal(err)
	}
}
