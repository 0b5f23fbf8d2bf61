package main

import (
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fulcrum/api"
	"fulcrum/control"
	"fulcrum/lab"
	"fulcrum/lvs"
)

// TestReloadUnderTraffic applies another configuration every 100 ms while connections are made and
// bytes flow. No existing connection may notice.
func TestReloadUnderTraffic(t *testing.T) {
	for _, mode := range lab.Modes() {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, lab.Config{Mode: mode, Scheduler: lvs.WLC})
			stop := b.reload(100 * time.Millisecond)
			for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
				b.get(requests)
				b.echo(echoes)
				b.transfer()
			}
			if n := stop(); n < 5 {
				t.Errorf("only %d changes while packets flowed", n)
			}
			r := b.stopDirector()
			delete(r.Drops, "too_big") // ipip answers so until the client has learnt its MTU
			same(t, "drops", r.Drops, map[string]uint64{})
		})
	}
}

// reload applies two configurations in turn until the returned function is called, which returns
// how often. One of them has another service and other weights. An override has to outlive that.
func (b *bed) reload(every time.Duration) (stop func() int) {
	b.t.Helper()
	file, err := b.DirectorFile()
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	other := strings.ReplaceAll(string(text), "weight  = 1", "weight  = 5") +
		"\n[[service]]\nname = \"more\"\naddress = \"" + b.VIP().String() + ":81\"\nprotocol = \"tcp\"\nmode = \"nat\"\n"
	client := api.NewClient(b.ControlSocket())
	b.limitSessions(client)
	end, n := make(chan struct{}), 0
	var group sync.WaitGroup
	group.Go(func() {
		for ; ; n++ {
			body := []byte([]string{other, string(text)}[n%2])
			var plan control.Plan
			if err := client.Do(b.t.Context(), http.MethodPost, "apply", body, &plan); err != nil ||
				len(plan.Changes) == 0 {
				b.t.Errorf("change %d: %v, %v", n, plan, err)
				return
			}
			select {
			case <-end:
				return
			case <-time.After(every):
			}
		}
	})
	return func() int {
		close(end)
		group.Wait()
		var overrides []control.Override
		err := client.Do(b.t.Context(), http.MethodGet, "overrides", nil, &overrides)
		if err != nil || len(overrides) != 1 || overrides[0].Key != "max_sessions" {
			b.t.Errorf("overrides %v, %v", overrides, err)
		}
		return n
	}
}

// limitSessions makes an override that no packet notices.
func (b *bed) limitSessions(client *api.Client) {
	b.t.Helper()
	var services []control.ServiceReport
	err := client.Do(b.t.Context(), http.MethodGet, "services", nil, &services)
	if err == nil {
		limit := 1_000_000
		change := control.ServiceChange{
			ServiceSettings: control.ServiceSettings{MaxSessions: &limit},
		}
		err = client.Do(b.t.Context(), http.MethodPatch, "services/"+services[0].Name, change, nil)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestReloadOnHangup: SIGHUP reads the file again, and an invalid one changes nothing.
func TestReloadOnHangup(t *testing.T) {
	needRoot(t)
	good, err := os.ReadFile("testdata/quiet.toml")
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/fulcrum.toml"
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(string(good))
	p := newProgram(t, "run", "--config", file).start().awaitReady()
	write(strings.Replace(string(good), `name = "web"`, `name = "shop"`, 1))
	p.signal(syscall.SIGHUP)
	eventually(t, "the change", func() bool {
		return strings.Contains(p.stderr.String(), "changes=1")
	})
	write("[[service]]")
	p.signal(syscall.SIGHUP)
	eventually(t, "the refusal", func() bool {
		return strings.Contains(p.stderr.String(), "nothing changed")
	})
	p.signal(syscall.SIGTERM)
	if status := p.end(); status != 0 ||
		!strings.Contains(p.stdout.String(), "shop tcp 10.0.0.100:80") {
		t.Errorf("status %d:\n%s", status, p.stdout.String())
	}
}
