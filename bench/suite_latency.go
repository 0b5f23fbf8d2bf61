package bench

import (
	"context"
	"fmt"
	"time"

	"fulcrum/modes"
)

const (
	searchTrial = 500 * time.Millisecond
	load        = 0.8 // of the partial drop rate, at which latency is measured

	atLoad = "p99.9 at 80 %"
	crowd  = 10_000 // real servers whose counters are read

	longTurn = 128 // µs
)

// latency finds each mode's highest rate with hardly any loss and with none, and measures the
// latency at 80 % of the first. On a busy machine the second says more about the other programs.
// Testpmd's latency at the same rate is the share of the link, the generator and the machine.
func latency(ctx context.Context, b *Bench, s Scale, k *book) error {
	sessions := s.Sessions[len(s.Sessions)-1]
	for i := range s.Repeats {
		b.logf("latency, run %d of %d", i+1, s.Repeats)
		if err := b.baseline(ctx, k, s.Duration); err != nil {
			return err
		}
		for _, m := range []modes.Mode{cheapest, dearest} {
			if err := b.latencyOf(ctx, m, sessions, s, k); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Bench) latencyOf(ctx context.Context, m modes.Mode, sessions int, s Scale, k *book) error {
	var rate float64
	subject := director{mode: m, sessions: sessions * 5 / 4, crowd: crowd}
	err := b.measure(ctx, k, subject, func(d *bed) error {
		var err error
		if rate, err = d.dropRates(ctx, sessions, k); err != nil {
			return err
		}
		return d.latencies(ctx, atRate{m.String(), rate, sessions, s.Latency}, k)
	})
	if err != nil || rate == 0 || m.TwoWay() {
		return err
	}
	return b.measure(ctx, k, testpmd{}, func(d *bed) error {
		a := atRate{fmt.Sprintf("%s as %v", baselineName, m), rate, sessions, s.Latency}
		if err := d.latencyAt(ctx, a, atLoad, k); err != nil {
			return err
		}
		return b.beside(ctx, m, func(l Link) error {
			r := readers[0]
			return b.while(ctx, l, r, func() error {
				return d.latencyAt(ctx, a, atLoad+", another "+r.name, k)
			})
		})
	})
}

// atRate is a measurement of the latency of a subject.
type atRate struct {
	subject  string        // its name in tables
	rate     float64       // the partial drop rate: packets a second from clients
	sessions int           // the number of flows
	duration time.Duration // of a trial
}

// latencies measures without a reader and with each of the readers.
func (d *bed) latencies(ctx context.Context, a atRate, k *book) error {
	measure := func(name string) error {
		start := time.Now()
		before, err := d.turns(ctx)
		if err != nil {
			return err
		}
		if err := d.latencyAt(ctx, a, atLoad+name, k); err != nil {
			return err
		}
		after, err := d.turns(ctx)
		if err == nil {
			long := float64(turnsFrom(longTurn, before, after))
			d.addTurns(k, a.subject, name, long/time.Since(start).Seconds())
		}
		return err
	}
	if err := measure(""); err != nil {
		return err
	}
	for _, r := range readers {
		if err := d.bench.while(ctx, d.link, r, func() error { return measure(", " + r.name) }); err != nil {
			return err
		}
	}
	return nil
}

// addTurns keeps how often the worker was away for long: the director's own share of the latency's
// tail.
func (d *bed) addTurns(k *book, subject, name string, rate float64) {
	name = fmt.Sprintf("turns of %d µs and more%s", longTurn, name)
	k.add(Figure{Subject: subject, Name: name, Unit: unitRate}, rate)
	d.bench.logf("  %-8s %7.0f a second: %s", subject, rate, name)
}

// dropRates makes the sessions and searches for two rates: the partial drop rate, which it returns,
// and the rate without loss.
func (d *bed) dropRates(ctx context.Context, sessions int, k *book) (float64, error) {
	t := Trial{
		Kind: UDP, Flows: sessions, Size: MinSize, Create: true,
		Warmup: Duration(warmUp), Duration: Duration(searchTrial),
	}
	all, err := d.trial(ctx, t)
	if err == nil {
		err = created(all)
	}
	if err != nil {
		return 0, err
	}
	ways := all.PacketRate() / (float64(all.ForwardedInTime) / all.Seconds)
	tooHigh := 1.2 * all.PacketRate() / ways
	partial, err := d.dropRate(ctx, rateSearch{"0.5 % lost", tooHigh, tolerable, sessions}, k)
	if err != nil || partial == 0 {
		return 0, err
	}
	_, err = d.dropRate(ctx, rateSearch{"nothing lost", partial, 0, sessions}, k)
	return partial, err
}

// rateSearch is a search for the highest rate at which few enough packets are lost.
type rateSearch struct {
	name     string  // of the figure
	tooHigh  float64 // a rate that is surely too high: packets a second from clients
	allowed  float64 // the share of packets that may be lost
	sessions int     // the number of flows
}

// dropRate searches for the highest rate of clients' packets a second. It keeps it as packets
// forwarded in both directions.
func (d *bed) dropRate(ctx context.Context, s rateSearch, k *book) (float64, error) {
	var forwarded float64
	rate, err := highestRate(s.tooHigh, s.allowed, func(rate float64) (float64, error) {
		t := Trial{
			Kind: UDP, Flows: s.sessions, Size: MinSize, Rate: rate, Duration: Duration(searchTrial),
		}
		r, err := d.trial(ctx, t)
		if r.Offered > 0 && float64(r.Missed) > tolerable*float64(r.Offered) {
			return 1, err // the generator does not reach this rate
		}
		if r.Loss() <= s.allowed {
			forwarded = r.PacketRate()
		}
		return r.Loss(), err
	})
	if err != nil || rate == 0 {
		return 0, err
	}
	subject := d.subject.name()
	f := Figure{
		Subject: subject, Name: s.name, Sessions: s.sessions, Size: MinSize, Unit: unitPackets, Packets: 1,
	}
	k.add(f, forwarded/1e6)
	d.bench.logf("  %-8s %7.2f Mpps, %s", subject, forwarded/1e6, s.name)
	return rate, nil
}

// latencyAt measures at 80 % of a rate.
func (d *bed) latencyAt(ctx context.Context, a atRate, name string, k *book) error {
	if a.rate == 0 {
		return nil
	}
	r, err := d.trial(ctx, Trial{
		Kind: UDP, Flows: a.sessions, Size: MinSize, Rate: load * a.rate,
		Warmup: Duration(warmUp), Duration: Duration(a.duration),
	})
	if err != nil {
		return err
	}
	k.addLatency(a.subject, name, r)
	l := r.Latency()
	d.bench.logf("  %-8s %7.2f Mpps offered, %s: p50 %d, p99 %d, p99.9 %d, p99.99 %d, max %d ns",
		a.subject, load*a.rate/1e6, name, l.P50, l.P99, l.P999, l.P9999, l.Max)
	return nil
}
