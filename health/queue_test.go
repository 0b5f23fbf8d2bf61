package health

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever is added, changed, removed and made, Next is the time of the check that is due first.
func TestNextIsTheFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, now := New(5), time.Unix(1_000_000, 0)
		var running []Run
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				r := second
				r.Interval = time.Duration(rapid.IntRange(1, 5).Draw(t, "interval")) * time.Second
				w.Add(Target{id(rapid.IntRange(1, 9).Draw(t, "server")), r}, now)
			},
			"remove": func(t *rapid.T) { w.Remove(id(rapid.IntRange(1, 9).Draw(t, "server"))) },
			"begin": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
				running = append(running, w.Due(now)...)
			},
			"end": func(t *rapid.T) {
				if len(running) > 0 {
					w.Done(running[0], Result{Began: now, Ended: now, Good: true})
					running = running[1:]
				}
			},
			"": func(t *rapid.T) {
				if got, _ := w.Next(); !got.Equal(w.earliest()) {
					t.Fatalf("next is %v; want %v", got, w.earliest())
				}
			},
		})
	})
}

// earliest looks at all checks.
func (w *Watch) earliest() (first time.Time) {
	if w.running >= w.most {
		return first
	}
	for _, c := range w.checks {
		if c.waits && (first.IsZero() || c.next.Before(first)) {
			first = c.next
		}
	}
	return first
}
