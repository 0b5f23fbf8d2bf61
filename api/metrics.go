package api

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fulcrum/control"
)

// metricsLimits are those of the server that Prometheus reads from: its readers ask for one page,
// of which they have a copy soon.
var metricsLimits = Limits{
	Connections: 64, Read: 5 * time.Second, Write: 30 * time.Second, Idle: 2 * time.Minute,
}

// ServeMetrics serves /metrics over TCP until Close.
func ServeMetrics(at netip.AddrPort, m *control.Metrics, log *slog.Logger) (*Server, error) {
	listener, err := net.Listen("tcp", at.String())
	if err != nil {
		return nil, fmt.Errorf("listen for Prometheus: %w; see metrics.listen", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", NewMetricsHandler(m))
	return Serve(ServerConfig{
		Name: "metrics", Listener: listener, Handler: mux, Limits: metricsLimits, Log: log,
	}), nil
}

// readersAtOnce bounds what readers can cost: Prometheus and somebody who looks.
const readersAtOnce = 4

// NewMetricsHandler serves the metrics, and those of the Go runtime and the process, in the formats
// that a reader asks for.
func NewMetricsHandler(m *control.Metrics) http.Handler {
	process := prometheus.NewRegistry()
	process.MustRegister(
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(gcPausesRule)),
	)
	all := prometheus.NewMultiTRegistry(m, prometheus.ToTransactionalGatherer(process))
	return promhttp.HandlerForTransactional(all, promhttp.HandlerOpts{MaxRequestsInFlight: readersAtOnce})
}

// gcPausesRule adds the pauses in which workers stand still, see control.Pauses.
var gcPausesRule = collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile("^" + regexp.QuoteMeta(control.GCPauses) + "$")}
