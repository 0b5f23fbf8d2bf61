package bench

import (
	"context"
	"time"
)

// cliffs measures cases in which other load balancers slow down, each beside the ordinary case.
func cliffs(ctx context.Context, b *Bench, s Scale, k *book) error {
	for i := range s.Repeats {
		b.logf("cliffs, run %d of %d", i+1, s.Repeats)
		if err := b.baseline(ctx, k, s.Duration); err != nil {
			return err
		}
		for _, cliff := range []func(context.Context, *Bench, Scale, *book) error{fullTable, synFlood, oneFlow, expiry} {
			if err := cliff(ctx, b, s, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// rate measures the throughput of a trial.
func (d *bed) rate(ctx context.Context, k *book, name string, t Trial, s Scale) error {
	t.Size, t.Warmup, t.Duration = MinSize, Duration(warmUp), Duration(s.Duration)
	r, err := d.trial(ctx, t)
	if err == nil {
		err = created(r)
	}
	if err != nil {
		return err
	}
	k.addRate(d.subject.name(), name, r)
	d.bench.logf("  %-40s %7.2f Mpps", name, r.PacketRate()/1e6)
	return nil
}

// fullTable measures with as many sessions as the table holds.
func fullTable(ctx context.Context, b *Bench, s Scale, k *book) error {
	return b.measure(ctx, k, director{mode: cheapest, sessions: million}, func(d *bed) error {
		if err := d.rate(ctx, k, "table at 50 %", Trial{Kind: UDP, Flows: million / 2, Create: true}, s); err != nil {
			return err
		}
		return d.rate(ctx, k, "table at 100 %", Trial{Kind: UDP, Flows: million, Create: true}, s)
	})
}

// synFlood sends SYNs, each from another source, to a table that is soon full of them. Every one
// takes the place of another.
func synFlood(ctx context.Context, b *Bench, s Scale, k *book) error {
	return b.measure(ctx, k, director{mode: cheapest, sessions: million}, func(d *bed) error {
		return d.rate(ctx, k, "SYN flood on a full table", Trial{Kind: NewTCP, Flows: newFlows}, s)
	})
}

// oneFlow sends all packets from one client.
func oneFlow(ctx context.Context, b *Bench, s Scale, k *book) error {
	return b.measure(ctx, k, director{mode: cheapest, sessions: million}, func(d *bed) error {
		if err := d.rate(ctx, k, "a thousand flows", Trial{Kind: UDP, Flows: thousand, Create: true}, s); err != nil {
			return err
		}
		return d.rate(ctx, k, "one flow", Trial{Kind: UDP, Flows: 1, Create: true}, s)
	})
}

const (
	expiryTimeout  = 4 * time.Second
	expirySessions = million
	expiryRate     = 500 * thousand // packets a second meanwhile
)

// expiry makes a million sessions, which therefore end within a second of each other, and measures
// the latency of other sessions meanwhile.
func expiry(ctx context.Context, b *Bench, s Scale, k *book) error {
	subject := director{mode: cheapest, sessions: 2 * million, timeout: expiryTimeout}
	return b.measure(ctx, k, subject, func(d *bed) error {
		calm := Trial{
			Kind: UDP, Flows: thousand, Size: MinSize, Create: true, Rate: expiryRate,
			Warmup: Duration(warmUp), Duration: Duration(2 * expiryTimeout),
		}
		r, err := d.trial(ctx, calm)
		if err != nil {
			return err
		}
		k.addLatency(d.subject.name(), "p99.9 while nothing expires", r)
		making := Trial{
			Kind: UDP, Flows: expirySessions, Size: MinSize, Create: true, Rate: 1,
			Duration: Duration(time.Millisecond),
		}
		if r, err = d.trial(ctx, making); err == nil {
			err = created(r)
		}
		if err != nil {
			return err
		}
		if r, err = d.trial(ctx, calm); err != nil {
			return err
		}
		k.addLatency(d.subject.name(), "p99.9 while 1M sessions expire", r)
		return nil
	})
}
