package health

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// detection is one real server that fails at some moment, watched in exact simulated time.
type detection struct {
	rules  Rules
	fails  time.Duration // from the start
	late   time.Duration // by which this side begins and ends each check late
	answer time.Duration // of a good check
}

// noticed returns the time from the failure until the verdict.
func (d *detection) noticed(t *rapid.T) time.Duration {
	begin := time.Unix(1_000_000, 0)
	w, fails := New(10), begin.Add(d.fails)
	w.Add(Target{id(1), d.rules}, begin)
	for now := begin; now.Before(fails.Add(time.Hour)); {
		next, _ := w.Next()
		now = next.Add(d.late)
		for _, run := range w.Due(now) {
			r := Result{Began: now, Good: true, Ended: now.Add(d.answer)}
			if !now.Before(fails) {
				r.Good, r.Ended = false, now.Add(d.rules.Timeout+d.late)
			}
			now = r.Ended
			if c, changed := w.Done(run, r); changed && !c.Up {
				return now.Sub(fails)
			}
		}
	}
	t.Fatalf("not noticed: %+v", *d)
	return 0
}

// A real server that fails is down within interval x fall + timeout. Jitter adds at most twice its
// part of an interval: a check may come early, and a later one late. What this side is late adds
// too, at the beginning and at the end of each check.
func TestNoticedInTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.IntRange(200, 5000).Draw(t, "interval")) * time.Millisecond
		part := rapid.SampledFrom([]float64{0.1, 0.5, 0.9, 1}).Draw(t, "timeout")
		jitter := rapid.SampledFrom([]float64{0, 0, 0.1, 0.5}).Draw(t, "jitter")
		d := detection{
			rules: Rules{
				Interval: interval, Timeout: time.Duration(float64(interval) * part), Jitter: jitter,
				Rise: 1, Fall: rapid.IntRange(1, 5).Draw(t, "fall"),
			},
			fails:  time.Duration(rapid.Int64Range(0, int64(5*interval)).Draw(t, "fails")),
			late:   time.Duration(rapid.Int64Range(0, int64(5*time.Millisecond)).Draw(t, "late")),
			answer: interval / 100,
		}
		r := &d.rules
		most := time.Duration(r.Fall)*interval + r.Timeout +
			time.Duration(2*jitter*float64(interval)) + time.Duration(2*(r.Fall+1))*d.late
		if took := d.noticed(t); took > most {
			t.Errorf("%+v: noticed after %v; want %v at most", d, took, most)
		}
	})
}
