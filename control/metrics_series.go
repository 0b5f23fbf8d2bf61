package control

import (
	"strings"

	dto "github.com/prometheus/client_model/go"

	"fulcrum/engine"
)

// maxLabels is the largest number of labels of a family.
const maxLabels = 6

// labels are the values of a family's labels, in the family's order.
type labels [maxLabels]string

// series are the metrics of a family. Each scrape reuses them from the first on. A metric whose
// labels have not changed only gets a new value.
type series struct {
	family  *family
	dto     *dto.MetricFamily
	metrics []*dto.Metric // as many as any scrape has needed
	labels  []labels      // of metrics
	used    int           // how many metrics this scrape has so far
}

func newSeries(f *family) series {
	d := &dto.MetricFamily{Name: &f.name, Help: &f.help, Type: f.kind.Enum()}
	return series{family: f, dto: d}
}

func compareNames(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) }

func (s *series) begin() { s.used = 0 }

func (s *series) end() { s.dto.Metric = s.metrics[:s.used] }

// add sets the value of the next metric.
func (s *series) add(value float64, values labels) {
	*s.valueOf(s.next(values)) = value
}

// addTurns sets the histogram of the next metric.
func (s *series) addTurns(t *engine.TurnTimes, values labels) {
	h, turns := s.next(values).Histogram, uint64(0)
	for i, n := range t.Counts {
		turns += n
		if limit, limited := engine.TurnTimeLimit(i); limited {
			*h.Bucket[i].UpperBound, *h.Bucket[i].CumulativeCount = limit.Seconds(), turns
		}
	}
	*h.SampleCount, *h.SampleSum = turns, t.Total.Seconds()
}

// next returns the next metric, with these labels.
func (s *series) next(values labels) *dto.Metric {
	if s.used == len(s.metrics) {
		s.metrics, s.labels = append(s.metrics, s.newMetric()), append(s.labels, labels{})
	}
	m := s.metrics[s.used]
	if s.labels[s.used] != values {
		s.labels[s.used] = values
		for i := range m.Label {
			*m.Label[i].Value = values[i]
		}
	}
	s.used++
	return m
}

// newMetric returns a metric with empty labels, like a new entry of labels.
func (s *series) newMetric() *dto.Metric {
	m := &dto.Metric{}
	for i := range s.family.labels {
		m.Label = append(m.Label, &dto.LabelPair{Name: &s.family.labels[i], Value: new(string)})
	}
	switch s.family.kind {
	case counter:
		m.Counter = &dto.Counter{Value: new(float64)}
	case histogram:
		m.Histogram = newHistogram()
	default:
		m.Gauge = &dto.Gauge{Value: new(float64)}
	}
	return m
}

func newHistogram() *dto.Histogram {
	h := &dto.Histogram{SampleCount: new(uint64), SampleSum: new(float64)}
	for range len(engine.TurnTimes{}.Counts) - 1 {
		h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: new(float64), CumulativeCount: new(uint64)})
	}
	return h
}

// valueOf returns the place of a metric's value.
func (s *series) valueOf(m *dto.Metric) *float64 {
	if s.family.kind == counter {
		return m.Counter.Value
	}
	return m.Gauge.Value
}

// truth returns 1 for true and 0 for false.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
