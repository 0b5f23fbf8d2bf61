package bench

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"fulcrum/modes"
)

const (
	searchTrial = 500 * time.Millisecond
	load        = 0.8 // of the partial drop rate, at which latency is measured

	atLoad       = "p99.9 at 80 %"
	readInterval = 100 * time.Millisecond
)

// latency finds each mode's highest rate with hardly any loss and with none, and measures the latency at 80 % of the first:
// on a machine that does other things too, the second says more about those. Testpmd's latency at the same rate is what the link,
// the generator and the machine have of it.
func latency(ctx context.Context, b *Bench, s Scale, k *book) error {
	sessions := s.Sessions[len(s.Sessions)-1]
	for i := range s.Repeats {
		b.logf("latency, run %d of %d", i+1, s.Repeats)
		if err := b.baseline(ctx, k, []int{MinSize}, s.Duration); err != nil {
			return err
		}
		for _, m := range []modes.Mode{modes.DR, modes.FullNAT} {
			if err := b.latencyOf(ctx, m, sessions, s, k); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Bench) latencyOf(ctx context.Context, m modes.Mode, sessions int, s Scale, k *book) error {
	var rate float64
	err := b.measure(ctx, k, director{mode: m, sessions: sessions * 5 / 4, tidy: true}, func(d *bed) error {
		var err error
		if rate, err = d.dropRates(ctx, sessions, k); err != nil {
			return err
		}
		if err := d.latencyAt(ctx, m.String(), atLoad, rate, sessions, s, k); err != nil {
			return err
		}
		defer d.read()()
		return d.latencyAt(ctx, m.String(), atLoad+", read", rate, sessions, s, k)
	})
	if err != nil || rate == 0 || m.TwoWay() {
		return err
	}
	return b.measure(ctx, k, testpmd{}, func(d *bed) error {
		return d.latencyAt(ctx, fmt.Sprintf("%s as %v", baselineName, m), atLoad, rate, sessions, s, k)
	})
}

// dropRates makes the sessions, and searches for the partial drop rate, which it returns, and the one without loss.
func (d *bed) dropRates(ctx context.Context, sessions int, k *book) (float64, error) {
	t := Trial{Kind: UDP, Flows: sessions, Size: MinSize, Create: true, Warmup: Duration(warmUp), Duration: Duration(searchTrial)}
	all, err := d.trial(ctx, t)
	if err == nil {
		err = created(all)
	}
	if err != nil {
		return 0, err
	}
	ways := all.PacketRate() / (float64(all.ForwardedInTime) / all.Seconds)
	partial, err := d.dropRate(ctx, "0.5 % lost", 1.2*all.PacketRate()/ways, tolerable, sessions, k)
	if err != nil || partial == 0 {
		return 0, err
	}
	_, err = d.dropRate(ctx, "nothing lost", partial, 0, sessions, k)
	return partial, err
}

// dropRate searches for the highest rate, of clients' packets a second, and keeps it as packets forwarded, both ways.
func (d *bed) dropRate(ctx context.Context, name string, tooHigh, allowed float64, sessions int, k *book) (float64, error) {
	var forwarded float64
	rate, err := highestRate(tooHigh, allowed, func(rate float64) (float64, error) {
		r, err := d.trial(ctx, Trial{Kind: UDP, Flows: sessions, Size: MinSize, Rate: rate, Duration: Duration(searchTrial)})
		if r.Offered > 0 && float64(r.Missed) > tolerable*float64(r.Offered) {
			return 1, err // the generator does not reach this rate
		}
		if r.Loss() <= allowed {
			forwarded = r.PacketRate()
		}
		return r.Loss(), err
	})
	if err != nil || rate == 0 {
		return 0, err
	}
	f := Figure{Subject: d.subject.name(), Name: name, Sessions: sessions, Size: MinSize, Unit: unitPackets, Packets: 1}
	k.add(f, forwarded/1e6)
	d.bench.logf("  %-8s %7.2f Mpps, %s", d.subject.name(), forwarded/1e6, name)
	return rate, nil
}

// read has the director report all its statistics ten times a second, until the function that it returns is called.
func (d *bed) read() (stop func()) {
	done := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		ticker := time.NewTicker(readInterval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				_ = syscall.Kill(d.running.pid(), syscall.SIGUSR1) // a director that has ended is the trial's error
			}
		}
	})
	return func() {
		close(done)
		reading.Wait()
	}
}

// latencyAt measures at 80 % of a rate.
func (d *bed) latencyAt(ctx context.Context, subject, name string, rate float64, sessions int, s Scale, k *book) error {
	if rate == 0 {
		return nil
	}
	r, err := d.trial(ctx, Trial{
		Kind: UDP, Flows: sessions, Size: MinSize, Rate: load * rate, Warmup: Duration(warmUp), Duration: Duration(s.Latency),
	})
	if err != nil {
		return err
	}
	k.addLatency(subject, name, r)
	l := r.Latency()
	d.bench.logf("  %-8s %7.2f Mpps offered, %s: p50 %d, p99 %d, p99.9 %d, p99.99 %d, max %d ns",
		subject, load*rate/1e6, name, l.P50, l.P99, l.P999, l.P9999, l.Max)
	return nil
}
