package bench

import (
	"context"
	"time"

	"fulcrum/modes"
)

const (
	// newSessionTimeout lets sessions expire as fast as new ones begin, so that the measured state
	// lasts.
	newSessionTimeout = time.Second

	// newSessionWarmup is the time until as many sessions expire as begin, and all memory has been
	// touched.
	newSessionWarmup = 3 * time.Second

	// newFlows is a number of flows so large that none comes again while its session exists.
	newFlows = 1 << 26
)

// newSessions measures how many sessions begin a second.
func newSessions(ctx context.Context, b *Bench, s Scale, k *book) error {
	for i := range s.Repeats {
		b.logf("new sessions, run %d of %d", i+1, s.Repeats)
		if err := b.baseline(ctx, k, s.Duration); err != nil {
			return err
		}
		for _, m := range []modes.Mode{cheapest, dearest} {
			for _, kind := range []Kind{NewUDP, NewTCP, Lives} {
				if err := b.newSessionsOf(ctx, director{mode: m}, kind, s, k); err != nil {
					return err
				}
			}
		}
		// A flood of SYNs gets no answers, and a rate of sessions is often stated without the answers.
		for _, kind := range []Kind{NewUDP, NewTCP} {
			if err := b.newSessionsOf(ctx, director{mode: dearest, silent: true}, kind, s, k); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Bench) newSessionsOf(
	ctx context.Context, subject director, kind Kind, s Scale, k *book,
) error {
	name := kind.String()
	if subject.silent {
		name += " unanswered"
	}
	subject.sessions, subject.timeout = s.Table, newSessionTimeout
	return b.measure(ctx, k, subject, func(d *bed) error {
		t := Trial{
			Kind: kind, Flows: newFlows, Size: MinSize,
			Warmup: Duration(newSessionWarmup), Duration: Duration(s.Duration),
		}
		r, err := d.trial(ctx, t)
		if err != nil {
			return err
		}
		f := Figure{
			Subject: subject.name(), Name: name, Size: MinSize, Unit: unitSessions, Packets: packetsEach(r),
		}
		k.add(f, r.SessionRate()/1e6)
		b.logf("  %-8s %-18s %7.2f M sessions/s", subject.name(), name, r.SessionRate()/1e6)
		return nil
	})
}

// packetsEach returns how many packets are forwarded for a session, answers included, rounded.
func packetsEach(r Result) int {
	sessions := r.SessionRate()
	if sessions == 0 {
		return r.Trial.Kind.Steps()
	}
	return int(r.PacketRate()/sessions + 0.5)
}
