package control

import (
	"testing"
	"time"

	"fulcrum/config"
	"fulcrum/engine"
)

// TestKeptReport: the line for the log, and the metrics.
func TestKeptReport(t *testing.T) {
	e := engine.Report{Kept: &engine.KeptReport{
		Found: 10_000_000, Kept: 9_999_990, Dropped: map[string]int{"expired": 8, "broken": 2},
		Took: 2 * time.Second, Dark: 3100 * time.Millisecond, Aside: []string{"a file"},
	}}
	r := NewReport(&config.Config{}, e).Kept
	const want = "kept 9,999,990 of 10,000,000 sessions (dropped 2 broken, 8 expired), dark 3,100 ms"
	if got := r.String(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := (&KeptReport{}).String(); got != "kept 0 of 0 sessions" {
		t.Error(got)
	}
	var metered engine.Report
	m := metricsOf(t, &metered)
	metered.Kept = e.Kept
	metered.Kept.Sum = map[string]uint64{"kept": 9_999_993, "expired": 8}
	all := scrape(t, m)
	f := all["fulcrum_kept_sessions_total"]
	if value(t, f, "kept") != 9_999_993 || value(t, f, "expired") != 8 || value(t, f, "local") != 0 {
		t.Error(f)
	}
	if got := value(t, all["fulcrum_kept_dark_seconds"]); got != 3.1 {
		t.Errorf("%v s", got)
	}
	if NewReport(&config.Config{}, engine.Report{}).Kept != nil {
		t.Error("a report of sessions that are not kept")
	}
}
