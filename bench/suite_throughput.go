package bench

import (
	"context"
	"slices"

	"fulcrum/modes"
)

// throughput measures testpmd and every mode in turn, again and again, so that a change of the
// machine's speed affects all of them.
func throughput(ctx context.Context, b *Bench, s Scale, k *book) error {
	for i := range s.Repeats {
		b.logf("throughput, run %d of %d", i+1, s.Repeats)
		if err := b.baselines(ctx, k, baselineTrials(s), s.Duration); err != nil {
			return err
		}
		for _, m := range s.Modes {
			if err := b.throughputOf(ctx, m, s, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// baselineTrials are what testpmd is measured with: the flows and the frames of the director's
// trials.
func baselineTrials(s Scale) (list []Trial) {
	for _, n := range s.Sessions {
		list = append(list, Trial{Flows: n, Size: MinSize})
	}
	for _, size := range s.Sizes {
		if size != MinSize {
			list = append(list, Trial{Flows: s.Sessions[0], Size: size})
		}
	}
	return list
}

func (b *Bench) throughputOf(ctx context.Context, m modes.Mode, s Scale, k *book) error {
	most := slices.Max(s.Sessions)
	return b.measure(ctx, k, director{mode: m, sessions: most * 5 / 2}, func(d *bed) error {
		for _, t := range throughputTrials(m, s) {
			t.Create, t.Warmup, t.Duration = true, Duration(warmUp), Duration(s.Duration)
			r, err := d.trial(ctx, t)
			if err == nil {
				err = created(r)
			}
			if err != nil {
				return err
			}
			k.addRate(m.String(), t.Kind.String(), r)
			b.say(r, m.String())
		}
		return nil
	})
}

// throughputTrials vary one thing at a time: the sessions, with the smallest frames; the frames,
// with few sessions and in dr alone, since no mode reads a payload; the protocol.
func throughputTrials(m modes.Mode, s Scale) []Trial {
	var list []Trial
	for _, n := range s.Sessions {
		list = append(list, Trial{Kind: UDP, Flows: n, Size: MinSize})
	}
	for _, size := range s.Sizes {
		if m == cheapest && size != MinSize {
			list = append(list, Trial{Kind: UDP, Flows: s.Sessions[0], Size: size})
		}
	}
	return append(list, Trial{Kind: TCP, Flows: slices.Max(s.Sessions), Size: MinSize})
}
