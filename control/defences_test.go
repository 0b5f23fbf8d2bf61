package control

import (
	"slices"
	"strings"
	"testing"

	"fulcrum/config"
	"fulcrum/engine"
)

// TestDefences: a report has each defence with its setting and the workers at which it is active,
// and so do the metrics.
func TestDefences(t *testing.T) {
	c, err := config.Load("../docs/examples/nat.toml")
	if err != nil {
		t.Fatal(err)
	}
	c.Session.DropEntry, c.Session.SecureTCP = config.DefenceAuto, config.DefenceOn
	e := manyServers(c, 1)
	e.Workers[0].Defences = engine.ActiveDefences{DropEntry: true, SecureTCP: true}
	e.Workers[1].Defences = engine.ActiveDefences{SecureTCP: true}
	e.Workers[1].DroppedEntries, e.DroppedEntries, e.Templates.Dropped = 7, 7, 3
	r := NewReport(c, e)
	want := []Defence{{"drop_entry", "auto", 1}, {"drop_packet", "off", 0}, {"secure_tcp", "on", 2}}
	if got := r.Defences(c); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := r.Workers[1].Defences; !slices.Equal(got, []string{"secure_tcp"}) || r.Dropped != 7 ||
		r.Templates.Dropped != 3 {
		t.Errorf("%v at the second worker, %d sessions, %+v", got, r.Dropped, r.Templates)
	}
	var table strings.Builder
	line := "\n7 half-open and silent sessions ended by drop_entry\n"
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), line) {
		t.Errorf("%v; the table is\n%s", err, table.String())
	}
	all := scrape(t, metricsOf(t, &e))
	for family, want := range map[string][2]float64{
		"fulcrum_worker_drop_entry_active": {1, 0}, "fulcrum_worker_drop_packet_active": {0, 0},
		"fulcrum_worker_secure_tcp_active": {1, 1}, "fulcrum_worker_dropped_sessions_total": {0, 7},
	} {
		got := [2]float64{value(t, all[family], "0"), value(t, all[family], "1")}
		if got != want {
			t.Errorf("%s is %v, want %v", family, got, want)
		}
	}
	if got := value(t, all["fulcrum_dropped_templates_total"]); got != 3 {
		t.Errorf("%v templates", got)
	}
}
