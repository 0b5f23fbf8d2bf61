package api

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"fulcrum/engine"
	"fulcrum/lvs"
)

const alerts = "../docs/prometheus/alerts.yml"

var (
	// aMetric matches a metric with its matchers, if it has any.
	aMetric   = regexp.MustCompile(`\b((?:fulcrum|go|process)_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	aMatcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
	aGrouping = regexp.MustCompile(`\b(?:by|on|without|ignoring|group_left)\s*\(([^)]*)\)`)
	ofAlert   = regexp.MustCompile(`(?m)^      - alert: (\w+)\n        expr: '(.*)'$`)
	checked   = regexp.MustCompile(`(?m)^        alertname: (\w+)\n(        exp_alerts:)?`)
)

// everywhere are the labels that Prometheus adds to every series, and that of histograms.
var everywhere = []string{"job", "instance", "le"}

// checkQuery checks that a query asks for metrics, labels and reasons of drops that exist. It
// returns how many metrics the query names.
func checkQuery(t *testing.T, found map[string]*dto.MetricFamily, query string) (asked int) {
	t.Helper()
	known := slices.Clone(everywhere)
	for _, m := range aMetric.FindAllStringSubmatch(query, -1) {
		asked++
		family := found[m[1]]
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if base, is := strings.CutSuffix(m[1], suffix); is && family == nil {
				family = found[base]
			}
		}
		if family == nil {
			t.Errorf("%s: unknown metric %s", query, m[1])
			continue
		}
		own := slices.Concat(everywhere, labelsOf(family))
		known = append(known, own...)
		for _, matcher := range aMatcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(own, matcher[1]) {
				t.Errorf("%s: %s has no label %s", query, m[1], matcher[1])
			}
			switch matcher[1] {
			case "reason":
				checkReasons(t, query, matcher[2])
			case "state":
				checkStates(t, query, matcher[2])
			}
		}
	}
	for _, g := range aGrouping.FindAllStringSubmatch(query, -1) {
		for _, label := range strings.FieldsFunc(g[1], func(r rune) bool { return r == ',' || r == ' ' }) {
			if !slices.Contains(known, label) {
				t.Errorf("%s: no metric of it has the label %s", query, label)
			}
		}
	}
	return asked
}

func labelsOf(f *dto.MetricFamily) (names []string) {
	for _, l := range f.Metric[0].Label {
		names = append(names, l.GetName())
	}
	return names
}

// checkReasons checks the reasons of a matcher: one, or several with | between them.
func checkReasons(t *testing.T, query, reasons string) {
	t.Helper()
	for reason := range strings.SplitSeq(reasons, "|") {
		known := false
		for v := range engine.NumVerdicts {
			known = known || v.IsDrop() && v.String() == reason
		}
		if !known {
			t.Errorf("%s: no drop has the reason %s", query, reason)
		}
	}
}

func checkStates(t *testing.T, query, states string) {
	t.Helper()
	for key := range strings.SplitSeq(states, "|") {
		if _, known := lvs.ParseServerState(key); !known {
			t.Errorf("%s: no real server has the state %s", query, key)
		}
	}
}

// TestDashboardAsksForWhatThereIs checks every query of the Grafana dashboard.
func TestDashboardAsksForWhatThereIs(t *testing.T) {
	found := scrape(t, metricsOf(t, 2))
	asked := 0
	for _, query := range dashboardQueries(t) {
		asked += checkQuery(t, found, query)
	}
	if asked < 10 {
		t.Errorf("the dashboard asks for %d metrics only", asked)
	}
}

// TestAlertsAskForWhatThereIs checks every alert's query, and that alerts_test.yml has each alert
// fire and not fire.
func TestAlertsAskForWhatThereIs(t *testing.T) {
	found := scrape(t, metricsOf(t, 2))
	text := readText(t, alerts)
	var names, firing, quiet []string
	for _, a := range ofAlert.FindAllStringSubmatch(text, -1) {
		names = append(names, a[1])
		if a[1] != "FulcrumDown" && checkQuery(t, found, a[2]) == 0 {
			t.Errorf("%s asks for no metric", a[1])
		}
	}
	if n := strings.Count(text, "alert:"); n != len(names) || n < 10 {
		t.Errorf("%d alerts, and %d were read", n, len(names))
	}
	for _, c := range checked.FindAllStringSubmatch(readText(t, "../docs/prometheus/alerts_test.yml"), -1) {
		if c[2] != "" {
			firing = append(firing, c[1])
		} else {
			quiet = append(quiet, c[1])
		}
	}
	if !slices.Equal(firing, names) || !slices.Equal(quiet, names) {
		t.Errorf("alerts %q; firing in a test %q, quiet in a test %q", names, firing, quiet)
	}
}

// TestQueriesAreChecked: an unknown metric, label and reason are each found.
func TestQueriesAreChecked(t *testing.T) {
	found := scrape(t, metricsOf(t, 2))
	for _, query := range []string{
		`fulcrum_sesions`,
		`fulcrum_port_link_up{service="web"}`,
		`sum by (reason) (fulcrum_worker_turns_total)`,
		`fulcrum_dropped_packets_total{reason=~"no_route|no_rout"}`,
	} {
		finding := new(testing.T)
		if checkQuery(finding, found, query); !finding.Failed() {
			t.Errorf("%s passes", query)
		}
	}
}

// TestAlertsFire has promtool check the rules and run their tests: each alert fires for some
// series, and not for others. Debian's package prometheus has promtool.
func TestAlertsFire(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool: install Debian's package prometheus")
	}
	for _, args := range [][]string{
		{"check", "rules", alerts}, {"test", "rules", "../docs/prometheus/alerts_test.yml"},
	} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

func readText(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// dashboardQueries returns the expressions and the variables' queries of the dashboard.
func dashboardQueries(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../docs/grafana/fulcrum.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct{ List []struct{ Query string } }
	}
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	var queries []string
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			queries = append(queries, target.Expr)
		}
	}
	for _, v := range board.Templating.List {
		queries = append(queries, v.Query)
	}
	return queries
}
