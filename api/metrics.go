package api

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fulcrum/control"
)

// metricsLimits are the limits of the metrics server. Its clients request one page, which they read
// quickly.
var metricsLimits = Limits{
	Connections: 64, ConnectionsOfSource: 16, Strangers: 64, StrangersOfSource: 16,
	Read: 5 * time.Second, Write: 30 * time.Second, Idle: 2 * time.Minute,
}

// ServeMetrics serves /metrics over TCP, without TLS, until Close, and /healthz and /readyz by the
// checks. open is the listening socket that the process before passes on, or nil. It belongs to the
// callee, which closes it.
func ServeMetrics(
	at netip.AddrPort, m *control.Metrics, c Checks, log *slog.Logger, open *os.File,
) (*Server, error) {
	listener, err := listenTCP(at, open)
	if err != nil {
		return nil, fmt.Errorf("listen for Prometheus: %w; see metrics.listen", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", NewMetricsHandler(m))
	return Serve(ServerConfig{
		Name: "metrics", Listener: listener, Handler: WithChecks(c, mux), Limits: metricsLimits, Log: log,
	}), nil
}

// maxScrapes bounds how many scrapes run at once, and with that what they cost. It is enough for
// Prometheus and a person who looks at the page.
const maxScrapes = 4

// NewMetricsHandler serves the director's metrics with those of the Go runtime and the process, in
// the format that the client accepts.
func NewMetricsHandler(m *control.Metrics) http.Handler {
	process := prometheus.NewRegistry()
	process.MustRegister(
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(gcPausesRule)),
	)
	all := prometheus.NewMultiTRegistry(m, prometheus.ToTransactionalGatherer(process))
	return newWholePages(promhttp.HandlerForTransactional(all, promhttp.HandlerOpts{}))
}

// gcPausesRule adds the garbage collector's pauses, which stop all workers; see control.Pauses.
var gcPausesRule = collectors.GoRuntimeMetricsRule{
	Matcher: regexp.MustCompile("^" + regexp.QuoteMeta(control.GCPauses) + "$"),
}
