package director

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/layers"

	"fulcrum/api"
	"fulcrum/control"
	"fulcrum/engine"
	"fulcrum/ports"
)

// TestWholeDirector forwards a packet, reads the API and the metrics, changes a weight, and leaves
// nothing behind.
func TestWholeDirector(t *testing.T) {
	b := newBed(t).start()
	sent := b.send(4242)
	ethernet, ip := sent.LinkLayer().(*layers.Ethernet), sent.NetworkLayer().(*layers.IPv4)
	if ethernet.DstMAC.String() != "02:00:00:00:00:11" || ip.DstIP.String() != "10.0.0.11" {
		t.Errorf("the datagram was sent to %s at %s", ip.DstIP, ethernet.DstMAC)
	}
	var status api.Status
	b.eventually("the session in the status", func() bool {
		if err := b.client.Do(t.Context(), http.MethodGet, "status", nil, &status); err != nil {
			t.Fatal(err)
		}
		return status.Sessions == 1
	})
	if status.File != b.file || status.Services != 1 || status.Received != 1 {
		t.Errorf("%+v", status)
	}
	var plan control.Plan
	weight := 7
	path, change := api.ServerPath("dns", "10.0.0.11:53"), control.RealServerChange{Weight: &weight}
	err := b.client.Do(t.Context(), http.MethodPatch, path, change, &plan)
	if err != nil || len(plan.Changes) != 1 || plan.Changes[0].Sessions != 1 {
		t.Errorf("%+v, %v", plan, err)
	}
	line := `fulcrum_real_server_weight{service="dns",real_server="10.0.0.11:53"} 7` + "\n"
	if page := b.page(); !strings.Contains(page, line) {
		t.Errorf("Prometheus reads\n%s", page)
	}
	b.stop()
	r := b.Report()
	if r.Received != 1 || r.Ports[0].Received != 1 || r.Services[0].Connections != 1 ||
		r.Received+r.Originated != r.Transmitted+r.Consumed {
		t.Errorf("the last report is %+v", r)
	}
}

// page reads the metrics.
func (b *bed) page() string {
	b.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport}).Get("http://" + b.pages + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		b.Fatalf("%s, %v", answer.Status, err)
	}
	return string(page)
}

// TestReload reloads a changed file. An invalid file and one that needs a restart change nothing.
func TestReload(t *testing.T) {
	b := newBed(t).start()
	name := func() string { return b.Report().Services[0].Name }
	b.rewrite(`"dns"`, `"names"`)
	if plan, err := b.Reload(); err != nil || len(plan.Changes) != 1 || name() != "names" {
		t.Errorf("%+v, %v, the service is %s", plan, err, name())
	}
	b.rewrite(`"names"`, `"names"`+"\ncolour = \"red\"")
	_, err := b.Reload()
	if err == nil || !strings.HasPrefix(err.Error(), b.file) ||
		!strings.Contains(err.Error(), "service.colour") {
		t.Errorf("%v", err)
	}
	b.rewrite("\ncolour = \"red\"", "")
	b.rewrite("max = 1000", "max = 2000")
	if _, err := b.Reload(); !errors.As(err, new(*control.RestartError)) {
		t.Errorf("%v", err)
	}
	if name() != "names" {
		t.Errorf("the service is %s", name())
	}
}

// TestWorkersTurn checks that AwaitSilence returns and that idle workers turn.
func TestWorkersTurn(t *testing.T) {
	b := newBed(t).start()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	b.AwaitSilence(ctx, 10*time.Millisecond)
	if ctx.Err() != nil {
		t.Error("no silence")
	}
	if !b.AllTurn() {
		t.Error("the first call of AllTurn reports a stuck worker")
	}
	b.eventually("turns", b.AllTurn)
}

// TestFailedStarts checks that each failed start returns its error. The bed checks that nothing is
// left behind.
func TestFailedStarts(t *testing.T) {
	for _, tt := range []struct {
		want  string
		spoil func(b *bed)
	}{
		{"no such device", func(b *bed) { b.devices.fail = errors.New("no such device") }},
		{"CPU 1000", func(b *bed) { b.cfg.Config.Director.Workers = []int{1000} }},
		{"raise session.max", func(b *bed) { b.cfg.Config.Session.Max = 0 }},
		{"see metrics.listen", func(b *bed) { b.take("tcp", b.pages) }},
		{"control.certificate", func(b *bed) { b.cfg.Config.Control.Listen = b.cfg.Config.Metrics.Listen }},
		{"director.control", func(b *bed) { b.cfg.Config.Director.Control = b.file }},
	} {
		t.Run(tt.want, func(t *testing.T) {
			b := newBed(t)
			tt.spoil(b)
			if err := b.Start(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want an error with %q", err, tt.want)
			}
			if err := b.Stop(); err != nil {
				t.Errorf("stopping what did not start: %v", err)
			}
		})
	}
}

// take listens at an address of the director until the test ends.
func (b *bed) take(network, address string) {
	b.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
}

// faulty is a port whose queues panic once now is closed.
type faulty struct {
	ports.Port
	now chan struct{}
}

type faultyQueue struct {
	ports.Queue
	now chan struct{}
}

func (f *faulty) Queue(i int) ports.Queue { return &faultyQueue{f.Port.Queue(i), f.now} }

func (q *faultyQueue) Exchange(tx, free, rx *ports.Burst) {
	q.Queue.Exchange(tx, free, rx)
	select {
	case <-q.now:
		panic("a mistake")
	default:
	}
}

// TestFaultEndsTheDirector checks that a fault closes Done, and that Stop returns it.
func TestFaultEndsTheDirector(t *testing.T) {
	b := newBed(t)
	now := make(chan struct{})
	b.devices.wrap = func(p ports.Port) ports.Port { return &faulty{p, now} }
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.Done():
		t.Error("done before anything happened")
	default:
	}
	close(now)
	select {
	case <-b.Done():
	case <-time.After(20 * time.Second):
		t.Error("not done in time")
	}
	var fault *engine.Fault
	if err := b.Stop(); !errors.As(err, &fault) || !strings.Contains(err.Error(), "a mistake") {
		t.Errorf("%v, want a fault", err)
	}
}

// TestIncompleteConfig checks that New refuses a Config with a missing field.
func TestIncompleteConfig(t *testing.T) {
	b := newBed(t)
	whole := b.cfg
	for _, c := range []Config{
		{}, {Config: whole.Config, Log: whole.Log}, {Config: whole.Config, Devices: whole.Devices},
		{Devices: whole.Devices, Log: whole.Log},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

// TestWarnsAtStart: the log tells what the configuration opens.
func TestWarnsAtStart(t *testing.T) {
	b := newBed(t)
	var log bytes.Buffer
	b.cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	b.cfg.Config.Session.RouteUnmatched = true
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "level=WARN msg=\"session.route_unmatched: "); n != 1 {
		t.Errorf("%d warnings:\n%s", n, log.String())
	}
}
