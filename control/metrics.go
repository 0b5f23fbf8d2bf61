package control

import (
	"slices"
	"sync"
	"sync/atomic"

	dto "github.com/prometheus/client_model/go"

	"fulcrum/config"
	"fulcrum/engine"
)

// Metrics are the director's counters for Prometheus. They implement
// prometheus.TransactionalGatherer and are safe for concurrent use.
//
// Metrics keep their series between two scrapes. Ten thousand real servers have a hundred thousand
// series, whose labels hardly ever change. If each scrape made them anew, the garbage collection
// would show in the packets' latency.
type Metrics struct {
	// Kernel says what the guards of ports have hidden. nil stands for no guard. Set it before the
	// first Gather.
	Kernel Kernel

	// Running is the configuration that metrics of the configuration are about. nil leaves them out.
	// Set it before the first Gather.
	Running *Running

	config *config.Config
	report func() engine.Report

	reloadFailed atomic.Bool

	mu     sync.Mutex // held from Gather to done; guards the following fields
	series []series   // sorted by name
	shown  []*dto.MetricFamily
}

// NewMetrics returns the metrics of a director with a configuration. report returns its current
// counters. The number of series grows only with services and real servers.
func NewMetrics(c *config.Config, report func() engine.Report) *Metrics {
	m := &Metrics{config: c, report: report}
	for i := range families {
		m.series = append(m.series, newSeries(&families[i]))
	}
	slices.SortFunc(m.series, func(a, b series) int {
		return compareNames(a.dto, b.dto)
	})
	return m
}

// NoteReload notes whether the configuration's file could be applied when it was last read again.
func (m *Metrics) NoteReload(err error) { m.reloadFailed.Store(err != nil) }

// Gather returns the current metrics, sorted by name. The caller calls done once it has read them,
// and must not use them afterwards. The error is always nil.
func (m *Metrics) Gather() (_ []*dto.MetricFamily, done func(), _ error) {
	m.mu.Lock()
	now := newReading(m.config, m.report())
	now.reloadFailed = m.reloadFailed.Load()
	if m.Running != nil {
		now.standing = m.Running.standing()
		now.checks, now.running = m.Running.checks, m.Running.Config()
		now.hosts, now.owned = m.Running.HostReports(), m.Running.ownedVIPs()
	}
	now.kernel = orNone(m.Kernel).Ports()
	m.shown = m.shown[:0]
	for i := range m.series {
		s := &m.series[i]
		s.begin()
		s.family.read(&now, s)
		s.end()
		if len(s.dto.Metric) > 0 { // the text format has no form for an empty family
			m.shown = append(m.shown, s.dto)
		}
	}
	return m.shown, m.mu.Unlock, nil
}
