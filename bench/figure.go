package bench

import (
	"fmt"
	"slices"

	"fulcrum/control"
)

// Figure is one measured quantity, with the values of several runs.
type Figure struct {
	Suite    string    `json:"suite"`
	Subject  string    `json:"subject"`            // a mode, or testpmd
	Name     string    `json:"name"`               // what was measured
	Sessions int       `json:"sessions,omitempty"` // number of flows
	Size     int       `json:"size,omitempty"`     // bytes of a frame
	Workers  int       `json:"workers,omitempty"`  // that work together; 0 is one
	Unit     string    `json:"unit"`               // of Runs, Median, Low and High
	Runs     []float64 `json:"runs"`
	Median   float64   `json:"median"`
	Low      float64   `json:"low"`  // the least of Runs
	High     float64   `json:"high"` // the greatest of Runs
	// Packets is the number of packets forwarded for one of the unit's million; 0 if the figure is no
	// rate.
	Packets int `json:"packets,omitempty"`
	// NsPerPacket is a worker's time per packet. Baseline is testpmd's rate in Mpps. Ratio is the rate
	// relative to the baseline: testpmd's rate with frames of the same size on the same link, and as
	// many workers.
	NsPerPacket float64 `json:"ns_per_packet,omitempty"`
	Baseline    float64 `json:"baseline_mpps,omitempty"`
	Ratio       float64 `json:"ratio,omitempty"`
	// OfOne is the rate of several workers relative to that of one.
	OfOne float64 `json:"of_one_worker,omitempty"`

	Latency *Latency `json:"latency_ns,omitempty"` // of the last run
	Loss    float64  `json:"loss,omitempty"`       // a share, of the last run
}

// Units of figures.
const (
	unitPackets  = "Mpps"
	unitSessions = "M sessions/s"
	unitBytes    = "bytes/session"
	unitSeconds  = "s"
	unitMicros   = "µs"
	unitRate     = "1/s"
	unitRequests = "requests/s"
)

const baselineName = "testpmd"

func (f *Figure) same(o *Figure) bool {
	return f.Suite == o.Suite && f.Subject == o.Subject && f.Name == o.Name &&
		f.Sessions == o.Sessions && f.Size == o.Size && f.Workers == o.Workers && f.Unit == o.Unit
}

// Account is the director's count of its packets in one run.
type Account struct {
	Suite   string            `json:"suite"`
	Subject string            `json:"subject"`
	Drops   map[string]uint64 `json:"drops"` // by reason
}

// book collects figures.
type book struct {
	suite    string // the suite that is running
	figures  []*Figure
	accounts []Account
}

// add adds a run to a figure.
func (k *book) add(f Figure, value float64) {
	f.Suite = k.suite
	i := slices.IndexFunc(k.figures, func(known *Figure) bool { return known.same(&f) })
	if i < 0 {
		i = len(k.figures)
		k.figures = append(k.figures, new(Figure))
	}
	f.Runs = append(k.figures[i].Runs, value)
	s := spreadOf(f.Runs)
	f.Median, f.Low, f.High = s.median, s.low, s.high
	*k.figures[i] = f
}

// addRate adds a trial's packet rate, in both directions.
func (k *book) addRate(subject, name string, r Result) {
	f := Figure{
		Subject: subject, Name: name, Sessions: r.Trial.Flows, Size: r.Trial.Size, Unit: unitPackets,
		Packets: 1,
	}
	k.add(f, r.PacketRate()/1e6)
}

// addLatency adds a trial's 99.9th percentile, with the whole distribution.
func (k *book) addLatency(subject, name string, r Result) {
	l := r.Latency()
	f := Figure{
		Subject: subject, Name: name, Sessions: r.Trial.Flows, Size: r.Trial.Size, Unit: unitMicros,
		Latency: &l, Loss: r.Loss(),
	}
	k.add(f, float64(l.P999)/1000)
}

// close checks and keeps a director's report.
func (k *book) close(subject string, r *control.Report) error {
	if r == nil {
		return nil
	}
	dropped := uint64(0)
	for _, n := range r.Drops {
		dropped += n
	}
	in := r.Received + r.Originated + r.FromHost
	if out := r.Transmitted + r.Consumed + r.ToHost + r.Held + dropped; in != out {
		return fmt.Errorf("%s: %d packets came into the director, but it accounts for %d", subject, in,
			out)
	}
	if r.Pauses.Count > 0 {
		k.add(Figure{Subject: subject, Name: "longest GC pause", Unit: unitMicros}, r.Pauses.LongestUs)
	}
	if dropped > 0 {
		k.accounts = append(k.accounts, Account{k.suite, subject, r.Drops})
	}
	return nil
}

// nearness is higher for figures of the same suite as another, and of these for those with as many
// sessions.
func (f *Figure) nearness(o *Figure) int {
	switch {
	case f.Suite != o.Suite:
		return 1
	case f.Sessions != o.Sessions:
		return 2
	}
	return 3
}

// compare sets every rate against testpmd's with the same size of frames, from the same suite or
// else from any other, and that of several workers against that of one.
func (k *book) compare() {
	for _, f := range k.figures {
		if f.Packets == 0 {
			continue
		}
		mpps := f.Median * float64(f.Packets)
		f.NsPerPacket = 1000 / mpps * float64(max(f.Workers, 1))
		if b := k.baseline(f); b != nil {
			f.Baseline = b.Median
			f.Ratio = mpps / b.Median
		}
		if one := k.ofOne(f); one != nil {
			f.OfOne = f.Median / one.Median
		}
	}
}

// ofOne returns the figure of the same work by one worker, for that of several.
func (k *book) ofOne(f *Figure) *Figure {
	alone := *f
	alone.Workers = 0
	i := slices.IndexFunc(k.figures, alone.same)
	if f.Workers == 0 || i < 0 {
		return nil
	}
	return k.figures[i]
}

func (k *book) baseline(f *Figure) *Figure {
	fits := func(b *Figure) bool {
		return b.Subject == baselineName && b.Name == forwarding && b.Size == f.Size &&
			b.Workers == f.Workers
	}
	var best *Figure
	nearness := 0
	for _, b := range k.figures {
		if n := b.nearness(f); fits(b) && n > nearness {
			best, nearness = b, n
		}
	}
	return best
}
