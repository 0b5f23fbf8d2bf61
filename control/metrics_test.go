package control

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"fulcrum/config"
	"fulcrum/engine"
)

// manyServers returns a report of an example's service with n real servers and their counters.
func manyServers(c *config.Config, n int) engine.Report {
	times := engine.TurnTimes{Counts: [16]uint64{3, 1, 15: 1}, Total: 2 * time.Second}
	r := engine.Report{
		Ports: make([]engine.PortReport, len(c.Ports)),
		Workers: []engine.WorkerReport{
			{HandedTo: []uint64{0, 7}, Turns: 5, Times: times}, {HandedTo: []uint64{9, 0}},
		},
	}
	v := engine.ServiceReport{Service: engine.Service{
		Name: c.Services[0].Name, Address: c.Services[0].Address, Protocol: 6,
	}}
	first := netip.MustParseAddr("10.1.0.1")
	for range n {
		v.RealServers = append(v.RealServers, engine.RealServerReport{
			Address: netip.AddrPortFrom(first, 80), Weight: 1,
			Traffic: engine.Traffic{Connections: 3, InBytes: 1000}, Locals: someLocals,
		})
		first = first.Next()
	}
	v.Connections = uint64(3 * n)
	r.Services = []engine.ServiceReport{v}
	r.LocalAddresses = []engine.LocalAddressReport{{Address: first, Sessions: 7}}
	r.Drops[engine.DropNoService] = 4
	r.Host = []engine.HostTotals{{Copied: 8}, {Handed: 2, Limited: 1}, {Handed: 4, Full: 9}}
	return r
}

// someLocals are two local addresses, one of which is nearly used up.
var someLocals = []engine.LocalUse{
	{Address: netip.MustParseAddr("10.1.0.50"), Used: engine.LocalPorts - 12, Share: 0.99},
	{Address: netip.MustParseAddr("10.1.0.51"), Used: 2, Share: 0.01},
}

// guardedPort is a Kernel that has hidden packets of the first port.
type guardedPort struct{ noKernel }

func (guardedPort) Ports() []KernelPort {
	return []KernelPort{{Guarded: true, Hidden: 5, Host: &HostInterface{Name: "ful-front", Up: true,
		ToHost: 7, FromHost: 6, Drops: map[string]uint64{"ring_full": 1}}}, {Answers: []string{"it forwards"}}}
}

// TestReportHasKernel: a report says what is hidden and why the kernel answers.
func TestReportHasKernel(t *testing.T) {
	r := Report{Ports: []PortReport{{Name: "front", Up: true}, {Name: "back", Up: true}}}
	r.addKernel(guardedPort{}.Ports())
	if g := r.PortGuards(); len(g) != 1 || g[0] != (PortGuard{"front", 5}) {
		t.Errorf("guards: %v", g)
	}
	want := PortWarning{"back", "the kernel may answer too: it forwards"}
	if w := r.PortWarnings(); len(w) != 1 || w[0] != want {
		t.Errorf("warnings: %v", w)
	}
}

// TestReportHasHostInterfaces: a report has what passes at host interfaces, and says when one is
// down.
func TestReportHasHostInterfaces(t *testing.T) {
	r := Report{Ports: []PortReport{{Name: "front", Up: true}, {Name: "back", Up: true}}}
	if all := r.PortHosts(); all == nil || len(all) != 0 {
		t.Errorf("without one: %v", all)
	}
	h := &HostInterface{Name: "ful-back", ToHost: 7}
	r.addKernel([]KernelPort{{}, {Host: h}})
	if all := r.PortHosts(); len(all) != 1 || all[0].Port != "back" || all[0].ToHost != 7 {
		t.Errorf("host interfaces: %v", all)
	}
	if w := r.PortWarnings(); len(w) != 1 || w[0] != (PortWarning{"back", HostDownWarning("ful-back")}) {
		t.Errorf("warnings: %v", w)
	}
	if h.Up = true; len(r.PortWarnings()) != 0 {
		t.Errorf("warnings: %v", r.PortWarnings())
	}
}

// TestMetricsHaveHostInterfaces: each has its frames by direction, and its drops by reason.
func TestMetricsHaveHostInterfaces(t *testing.T) {
	var r engine.Report
	all := scrape(t, metricsOf(t, &r))
	for _, want := range []struct {
		family string
		labels []string
		value  float64
	}{
		{"fulcrum_host_interface_up", []string{"front", "ful-front"}, 1},
		{"fulcrum_host_interface_frames_total", []string{"front", "to_host"}, 7},
		{"fulcrum_host_interface_frames_total", []string{"front", "from_host"}, 6},
		{"fulcrum_host_interface_dropped_frames_total", []string{"front", "ring_full"}, 1},
	} {
		if got := value(t, all[want.family], want.labels...); got != want.value {
			t.Errorf("%s %v is %v, want %v", want.family, want.labels, got, want.value)
		}
	}
}

// TestMetricsHaveLocalPorts: the ports left are those of all local addresses, the share is that of
// the fullest. Real servers without local addresses have no series.
func TestMetricsHaveLocalPorts(t *testing.T) {
	var r engine.Report
	m := metricsOf(t, &r)
	name, servers := r.Services[0].Service.Name, r.Services[0].RealServers
	servers[1].Locals = nil
	all := scrape(t, m)
	for family, want := range map[string]float64{
		"fulcrum_real_server_local_ports_left":       engine.LocalPorts + 10,
		"fulcrum_real_server_local_ports_used_ratio": 0.99,
	} {
		if n := len(all[family].GetMetric()); n != 1 {
			t.Errorf("%s has %d series", family, n)
		}
		if got := value(t, all[family], name, servers[0].Address.String()); got != want {
			t.Errorf("%s is %v, want %v", family, got, want)
		}
	}
	address := r.LocalAddresses[0].Address.String()
	if got := value(t, all["fulcrum_local_address_sessions"], address); got != 7 {
		t.Errorf("%v sessions from %s", got, address)
	}
}

func metricsOf(t testing.TB, r *engine.Report) *Metrics {
	t.Helper()
	c, err := config.Load("../docs/examples/nat.toml")
	if err != nil {
		t.Fatal(err)
	}
	c.Ports[0].Host, c.Services[0].VIPOwner = "ful-front", config.OwnedByHost
	if r.Services == nil {
		*r = manyServers(c, 2)
	}
	m := NewMetrics(c, func() engine.Report { return *r })
	m.Kernel, m.Running = guardedPort{}, newTestRunning(t, c)
	return m
}

// scrape reads the metrics through their text form, as Prometheus does.
func scrape(t testing.TB, m *Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	shown, done, err := m.Gather()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	var text bytes.Buffer
	for _, f := range shown {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	found, err := parser.TextToMetricFamilies(&text)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// value returns the value of the metric with these labels.
func value(t *testing.T, f *dto.MetricFamily, want ...string) float64 {
	t.Helper()
	for _, m := range f.GetMetric() {
		var got []string
		for _, l := range m.Label {
			got = append(got, l.GetValue())
		}
		if cmp.Equal(got, want) {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("%s has no metric with %q", f.GetName(), want)
	return 0
}

func TestMetricsShowTheReport(t *testing.T) {
	var r engine.Report
	found := scrape(t, metricsOf(t, &r))
	name := r.Services[0].Service.Name
	for _, tt := range []struct {
		family string
		labels []string
		want   float64
	}{
		{"fulcrum_dropped_packets_total", []string{"no_service"}, 4},
		{"fulcrum_dropped_packets_total", []string{"no_session"}, 0},
		{"fulcrum_guard_hidden_packets_total", []string{"front"}, 5},
		{"fulcrum_worker_turns_total", []string{"0"}, 5},
		{"fulcrum_worker_handed_over_packets_total", []string{"0", "1"}, 7},
		{"fulcrum_service_connections_total", []string{name}, 6},
		{"fulcrum_real_server_connections_total", []string{name, "10.1.0.2:80"}, 3},
	} {
		if got := value(t, found[tt.family], tt.labels...); got != tt.want {
			t.Errorf("%s %q: %v, want %v", tt.family, tt.labels, got, tt.want)
		}
	}
}

// TestMetricsFollowTheReport checks that the series of a removed real server disappear.
func TestMetricsFollowTheReport(t *testing.T) {
	var r engine.Report
	m := metricsOf(t, &r)
	scrape(t, m)
	servers := r.Services[0].RealServers
	for _, left := range [][]engine.RealServerReport{servers[1:], nil, servers} {
		r.Services[0].RealServers = left
		f := scrape(t, m)["fulcrum_real_server_weight"]
		if got := len(f.GetMetric()); got != len(left) {
			t.Fatalf("%d real servers shown, want %d", got, len(left))
		}
		for _, s := range left {
			value(t, f, r.Services[0].Service.Name, s.Address.String())
		}
	}
}

// TestMetricsFollowPrometheusConventions checks names, units and help texts of our own metrics.
func TestMetricsFollowPrometheusConventions(t *testing.T) {
	var r engine.Report
	m := metricsOf(t, &r)
	r.Kept = &engine.KeptReport{}
	shown, done, _ := m.Gather()
	defer done()
	problems, err := promlint.NewWithMetricFamilies(shown).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	for i := 1; i < len(shown); i++ {
		if shown[i-1].GetName() >= shown[i].GetName() {
			t.Errorf("%s comes before %s", shown[i-1].GetName(), shown[i].GetName())
		}
	}
	// no real server has a check: TestMetricsOfChecks, TestMetricsOfPools, TestPassiveMovesThePool
	const unchecked = 5
	if len(shown) != len(families)-unchecked {
		t.Errorf("%d families shown, want %d", len(shown), len(families)-unchecked)
	}
}

// TestMetricsHaveTurnTimes checks that the histogram's counts are cumulative. Turns beyond the last
// limit are in the total alone.
func TestMetricsHaveTurnTimes(t *testing.T) {
	var r engine.Report
	h := scrape(t, metricsOf(t, &r))["fulcrum_worker_turn_seconds"].Metric[0].Histogram
	if got := h.GetSampleSum(); got != 2 {
		t.Errorf("%v s in all, want 2", got)
	}
	for i, want := range map[int]uint64{0: 3, 1: 4, 14: 4, 15: 5} {
		if got := h.Bucket[i].GetCumulativeCount(); got != want {
			t.Errorf("%d turns up to %v s, want %d", got, h.Bucket[i].GetUpperBound(), want)
		}
	}
}

// TestMetricsAreDocumented compares docs/metrics.md with the table of families.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		quoted := make([]string, len(f.labels))
		for i, l := range f.labels {
			quoted[i] = "`" + l + "`"
		}
		row := fmt.Sprintf("| `%s` | %s | %s | %s |\n",
			f.name, strings.ToLower(f.kind.String()), strings.Join(quoted, ", "), f.help)
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/metrics.md lacks the row\n%s", row)
		}
	}
	if got := strings.Count(string(page), "\n| `fulcrum_"); got != len(families) {
		t.Errorf("docs/metrics.md has %d metrics, want %d", got, len(families))
	}
}

var _ prometheus.TransactionalGatherer = (*Metrics)(nil)
