package api

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/engine"
)

// manyServers returns a report of an example's service with n real servers and their counters.
func manyServers(c *config.Config, n int) engine.Report {
	times := engine.TurnTimes{Counts: [16]uint64{3, 1, 15: 1}, Total: 2 * time.Second}
	r := engine.Report{
		Ports: make([]engine.PortReport, len(c.Ports)),
		Workers: []engine.WorkerReport{
			{HandedTo: []uint64{0, 7}, Turns: 5, Times: times}, {HandedTo: []uint64{9, 0}},
		},
	}
	v := engine.ServiceReport{Service: engine.Service{
		Name: c.Services[0].Name, Address: c.Services[0].Address, Protocol: 6,
	}}
	first := netip.MustParseAddr("10.1.0.1")
	for range n {
		v.RealServers = append(v.RealServers, engine.RealServerReport{
			Address: netip.AddrPortFrom(first, 80), Weight: 1,
			Traffic: engine.Traffic{Connections: 3, InBytes: 1000},
			Locals:  []engine.LocalUse{{Address: first, Used: 5, Share: 0.1}},
		})
		first = first.Next()
	}
	v.Connections = uint64(3 * n)
	r.Services = []engine.ServiceReport{v}
	r.Drops[engine.DropNoService] = 4
	return r
}

// metricsOf returns the metrics of an example's director with that many real servers.
func metricsOf(t testing.TB, servers int) *control.Metrics {
	t.Helper()
	c := exampleConfig(t, "nat")
	r := manyServers(c, servers)
	c.Services[0].SorryServers = []netip.AddrPort{netip.MustParseAddrPort("10.1.0.99:80")} // a quorum
	m := control.NewMetrics(c, func() engine.Report { return r })
	m.Running = control.NewRunning(nil, c)
	return m
}

// scrape reads the metrics as Prometheus does.
func scrape(t testing.TB, m *control.Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	answer := httptest.NewRecorder()
	NewMetricsHandler(m).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		t.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	found, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestMetricsHavePauses checks that the page has the garbage collector's pauses, which stop all
// workers at once.
func TestMetricsHavePauses(t *testing.T) {
	if scrape(t, metricsOf(t, 2))["go_sched_pauses_total_gc_seconds"] == nil {
		t.Error("no histogram of the garbage collector's pauses")
	}
}

// nowhere is a response writer that discards the response.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

// BenchmarkScrape reads the metrics of ten thousand real servers. Its allocations are work for the
// garbage collector.
func BenchmarkScrape(b *testing.B) {
	h := NewMetricsHandler(metricsOf(b, 10_000))
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(nowhere{http.Header{}}, request)
	}
}
