package engine

import (
	"math/bits"
	"runtime"
	"testing"
	"time"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/ports"
)

// changesPerSecond is how often a director with health checks on 10,000 real servers may change a
// pool.
const changesPerSecond = 10_000

// BenchmarkTurnsBesideChanges shows whether pool changes slow a worker's turns. One goroutine takes
// bursts of known sessions through the pipeline. In the second half another goroutine changes
// 10,000 weights a second among 1,000 services of ten real servers each. For each half it reports
// the time below which 999 of 1,000 turns stay, and the number of changes.
func BenchmarkTurnsBesideChanges(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := millSettings(modes.DR)
	farm := farm(1000, 10)
	s.Services = append(s.Services, farm.Services...)
	s.Routes = append(s.Routes, farm.Routes[1:]...)
	for i := range s.Routes {
		s.Routes[i].Port = 0
	}
	m := newMillOf(b, s, conntrack.DefaultTimeouts(), 100_000, 100_000)
	m.begin(b)
	now := uint32(1000)
	turn := func() time.Duration {
		m.fill()
		begin := time.Now()
		m.worker.process(&m.burst)
		m.worker.Turn(now)
		return time.Since(begin)
	}
	var quiet, changed turnTimes
	for range b.N/ports.MaxBurst/2 + 1 {
		quiet.add(turn())
	}
	stop, done := make(chan struct{}), make(chan int)
	go m.worker.engine.changeWeights(farm.Services, stop, done)
	for range b.N/ports.MaxBurst/2 + 1 {
		changed.add(turn())
	}
	close(stop)
	b.ReportMetric(quiet.below(0.999), "us-quiet")
	b.ReportMetric(changed.below(0.999), "us-changed")
	b.ReportMetric(float64(<-done), "changes")
}

// changeWeights changes weights at an even pace until stop, and returns the number of changes.
func (e *Engine) changeWeights(all []Service, stop <-chan struct{}, done chan<- int) {
	begin, n := time.Now(), 0
	for {
		select {
		case <-stop:
			done <- n
			return
		default:
		}
		for due := int(time.Since(begin) * changesPerSecond / time.Second); n < due; n++ {
			s := all[n*7919%len(all)]
			e.Change(Change{Put: []Service{weighted(s, n%len(s.RealServers), int32(1+n%5))}})
		}
		time.Sleep(time.Millisecond)
	}
}

// turnTimes counts turns by their length in steps of an eighth of a power of two nanoseconds.
type turnTimes struct {
	counts [64 * 8]int
	n      int
}

func (t *turnTimes) add(d time.Duration) {
	v := uint64(d)
	e := bits.Len64(v)
	t.counts[e*8+int(v<<3>>max(e-1, 0)&7)]++
	t.n++
}

// below returns the time in µs below which a part of the turns stayed.
func (t *turnTimes) below(part float64) float64 {
	left := int(float64(t.n) * (1 - part))
	for i := len(t.counts) - 1; i >= 0; i-- {
		if left -= t.counts[i]; left < 0 {
			return float64(uint64(8+i%8)<<(i/8)) / 16 / 1000
		}
	}
	return 0
}
