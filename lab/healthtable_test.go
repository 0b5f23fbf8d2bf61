package lab

import (
	"errors"
	"strings"
	"testing"
	"time"

	"fulcrum/lvs"
)

// The table has what clients felt; a request that fails once the fault is known is red.
func TestHealthTable(t *testing.T) {
	r := HealthResult{Result: Result{Mode: lvs.DR}}
	all := Tally{OK: 100, Sent: 100}
	rows := []HealthRow{
		{Event: "killed", Noticed: 1300 * time.Millisecond, Until: Tally{OK: 70, Sent: 100}, After: all,
			Back: time.Second, Return: all},
		{Event: "VIP lost", Until: Tally{OK: 200, Sent: 300}, Return: all},
		{Event: "hung", Noticed: time.Second, Until: all, After: Tally{OK: 99, Sent: 100, First: errors.New("timeout")},
			Return: all},
	}
	for i := range rows {
		rows[i].mode, rows[i].Variant = "dr", "active"
		r.judgeRow(&rows[i])
	}
	r.Rows = rows
	var got strings.Builder
	WriteHealthTable(&got, []HealthResult{r})
	want := `
to be noticed within 1.8 s (interval 500ms x fall 3 + timeout 300ms)
      mode  checks  event     noticed after  failed until then  later     back after  failed since
ok    dr    active  killed    1.3 s          30 of 100          0 of 100  1.0 s       0 of 100
ok    dr    active  VIP lost  not noticed    100 of 300         -         -           0 of 100
FAIL  dr    active  hung      1.0 s          0 of 100           1 of 100  0.0 s       0 of 100

FAIL  dr:
  - hung: 1 of 100 requests failed although it was known; the first: timeout
`
	if got.String() != want {
		t.Errorf("%s\nwant%s", got.String(), want)
	}
}
