package control

import (
	"slices"
	"sync"

	dto "github.com/prometheus/client_model/go"

	"fulcrum/config"
	"fulcrum/engine"
)

// Metrics are the director's counts as Prometheus reads them. Between two readers it keeps what it made for the
// first: ten thousand real servers have a hundred thousand series, whose labels hardly ever change, and a garbage collection
// for each reader would show in the packets' latency.
type Metrics struct {
	config *config.Config
	report func() engine.Report

	mu     sync.Mutex // held while a reader has what follows
	series []series   // in the order of families
	shown  []*dto.MetricFamily
}

// NewMetrics makes metrics of a director with a configuration that report counts. Nothing in them grows but by real
// servers and services.
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

// Gather brings the metrics up to date and lends them out until done.
func (m *Metrics) Gather() (_ []*dto.MetricFamily, done func(), _ error) {
	m.mu.Lock()
	now := newReading(m.config, m.report())
	m.shown = m.shown[:0]
	for i := range m.series {
		s := &m.series[i]
		s.begin()
		s.family.read(&now, s)
		s.end()
		if len(s.dto.Metric) > 0 { // the format knows no empty family
			m.shown = append(m.shown, s.dto)
		}
	}
	return m.shown, m.mu.Unlock, nil
}
