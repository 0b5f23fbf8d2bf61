package director

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fulcrum/ports"
)

// blocking is a port whose queues do not return while they are held.
type blocking struct {
	ports.Port
	held *atomic.Bool
}

func (p blocking) Queue(i int) ports.Queue { return blockingQueue{p.Port.Queue(i), p.held} }

type blockingQueue struct {
	ports.Queue
	held *atomic.Bool
}

func (q blockingQueue) Exchange(tx, free, rx *ports.Burst) {
	for q.held.Load() {
		time.Sleep(time.Millisecond)
	}
	q.Queue.Exchange(tx, free, rx)
}

// check asks one of the director's checks at the metrics' address.
func (b *bed) check(path string) (status int, reasons []string) {
	b.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport}).Get("http://" + b.pages + path)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.Fatal(err)
	}
	return answer.StatusCode, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// expect waits until a check has a status and a reason that contains a text.
func (b *bed) expect(path string, status int, reason string) {
	b.Helper()
	b.eventually(path+" with "+reason, func() bool {
		got, reasons := b.check(path)
		return got == status && slices.ContainsFunc(reasons, func(r string) bool {
			return strings.Contains(r, reason)
		})
	})
}

// TestChecksOfAStuckWorker holds the worker of a director in its driver.
func TestChecksOfAStuckWorker(t *testing.T) {
	held := new(atomic.Bool)
	b := newBed(t)
	b.devices.wrap = func(p ports.Port) ports.Port { return blocking{p, held} }
	b.health.patience = 50 * time.Millisecond
	b.start()
	defer held.Store(false) // or the director cannot stop
	b.expect("/healthz", http.StatusOK, "ok")
	b.expect("/readyz", http.StatusOK, "ok")
	held.Store(true)
	b.expect("/healthz", http.StatusServiceUnavailable, "worker 0 is stuck")
	b.expect("/readyz", http.StatusServiceUnavailable, "worker 0 is stuck")
	held.Store(false)
	b.expect("/healthz", http.StatusOK, "ok")
}

// TestChecksOfALink takes the link of a port down: the director lives and is not ready.
func TestChecksOfALink(t *testing.T) {
	b := newBed(t)
	b.start()
	b.expect("/readyz", http.StatusOK, "ok")
	b.devices.port.SetLink(ports.Link{Up: false})
	b.expect("/readyz", http.StatusServiceUnavailable, "port front: the link is down")
	if status, reasons := b.check("/healthz"); status != http.StatusOK {
		t.Errorf("%d %q", status, reasons)
	}
	b.devices.port.SetLink(ports.Link{Up: true})
	b.expect("/readyz", http.StatusOK, "ok")
}

// TestChecksBeforeAndAfter: a director that starts or stops lives and is not ready.
func TestChecksBeforeAndAfter(t *testing.T) {
	b := newBed(t)
	for _, tt := range []struct {
		phase phase
		want  string
	}{{starting, "the director is starting"}, {stopping, "the director is stopping"}} {
		b.health.set(tt.phase)
		if got := b.health.ready(); !slices.Equal(got, []string{tt.want}) || b.health.live() != nil {
			t.Errorf("%q, %q", got, b.health.live())
		}
	}
	b.health.set(starting)
	b.start()
	b.expect("/readyz", http.StatusOK, "ok")
	b.stop()
	if got := b.health.ready(); !slices.Equal(got, []string{"the director is stopping"}) {
		t.Errorf("after Stop: %q", got)
	}
}

// TestChecksAtTheSocket: the control API has the same checks, which other methods do not reach.
func TestChecksAtTheSocket(t *testing.T) {
	b := newBed(t).start()
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/healthz", 200}, {http.MethodGet, "/readyz", 200},
		{http.MethodHead, "/readyz", 200},
		{http.MethodPost, "/readyz", 404}, {http.MethodGet, "/readyz/", 404},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, "http://director"+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{DialContext: dialer(b.socket), DisableKeepAlives: true}
		answer, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != tt.status {
			t.Errorf("%s %s: %d, want %d", tt.method, tt.path, answer.StatusCode, tt.status)
		}
	}
	b.stop()
}

// dialer connects to a unix socket, whatever the address.
func dialer(socket string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
}

// TestHealthRemembersTheLastTurn: the time since a worker's last turn, by looks at any times.
func TestHealthRemembersTheLastTurn(t *testing.T) {
	h := newHealth(nil)
	start := time.Unix(1000, 0)
	for i, tt := range []struct {
		at    time.Duration
		turns []uint64
		away  []time.Duration
	}{
		{0, []uint64{0, 0}, []time.Duration{0, 0}}, // not seen for the first time: no worker is stuck
		{3 * time.Second, []uint64{1, 0}, []time.Duration{0, 3 * time.Second}},
		{4 * time.Second, []uint64{1, 0}, []time.Duration{time.Second, 4 * time.Second}},
		{9 * time.Second, []uint64{9, 1}, []time.Duration{0, 0}},
	} {
		if got := h.look(tt.turns, start.Add(tt.at)); !slices.Equal(got, tt.away) {
			t.Errorf("look %d: %v, want %v", i, got, tt.away)
		}
	}
}

// TestFailedReloadIsCounted: the metric is 1 until a reload succeeds.
func TestFailedReloadIsCounted(t *testing.T) {
	b := newBed(t).start()
	const good, bad = "\nfulcrum_config_reload_failed 0\n", "\nfulcrum_config_reload_failed 1\n"
	if !strings.Contains(b.page(), good) {
		t.Error("a reload has failed before the first one")
	}
	b.rewrite("[director]", "mistake = 1\n[director]")
	if _, err := b.Reload(); err == nil || !strings.Contains(b.page(), bad) {
		t.Errorf("%v", err)
	}
	b.rewrite("mistake = 1\n", "")
	if _, err := b.Reload(); err != nil || !strings.Contains(b.page(), good) {
		t.Errorf("%v", err)
	}
}
