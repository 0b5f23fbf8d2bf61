package control

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"fulcrum/engine"
)

// KeptReport says what became, at the start, of the sessions of the process before.
type KeptReport struct {
	Found   int            `json:"found"`
	Kept    int            `json:"kept"`
	Dropped map[string]int `json:"dropped"` // by reason, see docs/restart.md; only those that occurred
	TookMs  int64          `json:"took_ms"` // to take them over
	// DarkMs is the time from the last sign of the process before until packets were forwarded again;
	// 0 if there was no such process.
	DarkMs int64 `json:"dark_ms"`
	// Missed counts the packets that the devices lost meanwhile, as they count them themselves.
	Missed uint64 `json:"missed"`
	// Aside says which files were not read, and why.
	Aside []string `json:"aside,omitempty"`
}

func newKeptReport(k *engine.KeptReport) *KeptReport {
	if k == nil {
		return nil
	}
	r := &KeptReport{
		Found: k.Found, Kept: k.Kept, Dropped: map[string]int{}, Aside: k.Aside,
		TookMs: k.Took.Milliseconds(), DarkMs: k.Dark.Milliseconds(), Missed: k.Missed,
	}
	maps.Copy(r.Dropped, k.Dropped)
	return r
}

// String returns a line such as "kept 9,999,998 of 10,000,000 sessions (dropped 2 expired), dark
// 310 ms".
func (r *KeptReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kept %s of %s sessions", thousands(r.Kept), thousands(r.Found))
	for i, why := range slices.Sorted(maps.Keys(r.Dropped)) {
		lead := ", "
		if i == 0 {
			lead = " (dropped "
		}
		fmt.Fprintf(&b, "%s%s %s", lead, thousands(r.Dropped[why]), why)
	}
	if len(r.Dropped) > 0 {
		b.WriteByte(')')
	}
	if r.DarkMs > 0 {
		fmt.Fprintf(&b, ", dark %s ms", thousands(int(r.DarkMs)))
	}
	if r.Missed > 0 {
		fmt.Fprintf(&b, ", devices missed %s packets", thousands(int(r.Missed)))
	}
	return b.String()
}

// thousands writes a number that is not negative with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// readKept reads how many sessions all starts have kept, and dropped by reason.
func readKept(r *reading, s *series) {
	if r.Kept == nil {
		return
	}
	for _, what := range append([]string{"kept"}, engine.KeptReasons()...) {
		s.add(float64(r.Kept.Sum[what]), labels{what})
	}
}

func readMissed(r *reading, s *series) {
	if r.Kept != nil {
		s.add(float64(r.Kept.Missed), labels{})
	}
}

func readDark(r *reading, s *series) {
	if r.Kept != nil {
		s.add(r.Kept.Dark.Seconds(), labels{})
	}
}
