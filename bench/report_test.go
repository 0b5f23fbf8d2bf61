package bench

import (
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fulcrum/control"
	"fulcrum/modes"
)

// sampleReport has every kind of figure.
func sampleReport(t *testing.T) *Report {
	t.Helper()
	k := &book{suite: "throughput"}
	rate := func(subject string, kind Kind, flows int, rates ...uint64) {
		for _, n := range rates {
			k.addRate(subject, kind.String(), Result{Trial: Trial{Kind: kind, Flows: flows, Size: MinSize},
				Seconds: 1, ForwardedInTime: n})
		}
	}
	rate(baselineName, UDP, thousand, 10e6, 14e6, 12e6)
	for _, m := range []string{"dr", "nat"} {
		rate(m, UDP, thousand, 9e6, 8e6, 10e6)
		rate(m, UDP, million, 6e6)
		rate(m, TCP, million, 5e6)
	}
	k.suite = "new-sessions"
	k.add(Figure{Subject: "dr", Name: "lives", Size: MinSize, Unit: unitSessions, Packets: 4}, 1)
	k.suite = "latency"
	h := new(Histogram)
	for i := range uint32(100_000) {
		h.Add(1000 + i)
	}
	for _, subject := range []string{"dr", baselineName} {
		k.addLatency(subject, "p99.9 at 80 %", Result{Trial: Trial{Flows: million, Size: MinSize},
			OneWay: h.Latency()})
	}
	k.suite = "memory"
	k.add(Figure{Subject: "dr", Name: "memory", Sessions: million, Unit: unitBytes}, 90)
	if err := k.close("dr", &control.Report{Received: 3, Transmitted: 1, Drops: map[string]uint64{"tx_full": 2}}); err != nil {
		t.Fatal(err)
	}
	k.compare()
	return &Report{
		Machine: describeMachine("0123456789ab"), Started: time.Unix(0, 0).UTC(), Seconds: 1, Figures: k.figures,
		Accounts: k.accounts,
	}
}

// synthReport is a report of two cases without a link.
func synthReport() *Report {
	k := &book{suite: linkSynth}
	for i, n := range caseSessions {
		f := Figure{
			Subject: baselineName, Name: forwarding, Sessions: n, Size: MinSize, Unit: unitPackets, Packets: 1,
		}
		k.add(f, float64(80-40*i))
		f.Subject, f.Name = "dr", synthName(Case{})
		k.add(f, 20)
		f.Workers = crew
		k.add(f, 30)
		f.Subject, f.Name = baselineName, forwarding
		k.add(f, 120)
	}
	k.compare()
	return &Report{Link: linkSynth, Machine: describeMachine("0123456789ab"), Figures: k.figures}
}

// TestSynthReport: a time is compared with testpmd's among as many flows and with as many workers,
// that of two workers with one's, and it becomes a record.
func TestSynthReport(t *testing.T) {
	r := synthReport()
	if few, many := r.Figures[1], r.Figures[5]; few.Ratio != 0.25 || many.Ratio != 0.5 {
		t.Errorf("%+v, %+v", few, many)
	}
	if two, most := r.Figures[2], r.Figures[3]; two.Ratio != 0.25 || two.OfOne != 1.5 || most.OfOne != 1.5 ||
		int(two.NsPerPacket) != 66 {
		t.Errorf("two workers: %+v, %+v", two, most)
	}
	record := r.Record(Build{Go: "go1"})
	if len(record.Costs) != 4 || record.Costs["dr IPv4 hit 1M"].Total != 50 ||
		record.Commit != "0123456789ab" {
		t.Errorf("%+v", record)
	}
}

// TestSynthWantsAll: a director that drops is not measured, but for what one worker could not hand
// over to another.
func TestSynthWantsAll(t *testing.T) {
	report := func(reason string) *control.Report {
		return &control.Report{Received: 1000, Transmitted: 900, Drops: map[string]uint64{reason: 100}}
	}
	for reason, want := range map[string]map[bool]bool{
		"handoff_full": {true: true, false: false}, "tx_full": {true: false, false: false},
	} {
		for crowded, fine := range want {
			c := Case{Mode: modes.NAT, Sessions: thousand}
			if crowded {
				c.Workers = crew
			}
			r := report(reason)
			if err := c.wantsAll(r, forwarded(r)); (err == nil) != fine {
				t.Errorf("%v, %s: %v", c, reason, err)
			}
		}
	}
	if err := (Case{Mode: modes.DR, Workers: crew}).wantsAll(report("handoff_full"), 0.9); err == nil {
		t.Error("dr hands nothing over")
	}
	r := &control.Report{Received: 1000, Transmitted: 1000}
	if err := (Case{Sessions: 1}).wantsAll(r, forwarded(r)); err != nil {
		t.Error(err)
	}
}

func TestFigures(t *testing.T) {
	r := sampleReport(t)
	find := func(subject, name string, sessions int) *Figure {
		for _, f := range r.Figures {
			if f.Subject == subject && f.Name == name && f.Sessions == sessions {
				return f
			}
		}
		t.Fatalf("no figure of %s %s %d", subject, name, sessions)
		return nil
	}
	if f := find("dr", "udp", thousand); f.Median != 9 || f.Low != 8 || f.High != 10 ||
		f.Baseline != 12 || f.Ratio != 0.75 || f.NsPerPacket < 111 || f.NsPerPacket > 112 {
		t.Errorf("%+v", f)
	}
	if f := find("dr", "lives", 0); f.Ratio != 4.0/12 || f.NsPerPacket != 250 {
		t.Errorf("four packets a life: %+v", f)
	}
	if f := find("dr", "memory", million); f.Ratio != 0 || f.NsPerPacket != 0 || f.Median != 90 {
		t.Errorf("%+v", f)
	}
}

// TestBookHoldsTheDirectorToItsAccount: a packet that is not accounted for is an error.
func TestBookHoldsTheDirectorToItsAccount(t *testing.T) {
	k := new(book)
	if err := k.close("dr", &control.Report{Received: 3, Transmitted: 1, Drops: map[string]uint64{"tx_full": 1}}); err == nil {
		t.Error("a packet vanished unnoticed")
	}
	if err := k.close(baselineName, nil); err != nil {
		t.Error(err)
	}
}

func TestSave(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "results")
	r := sampleReport(t)
	if err := r.Save(folder); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if err := synthReport().Save(folder); err != nil {
		t.Fatal(err)
	}
	again := new(Report)
	if err := json.Unmarshal([]byte(read("report.json")), again); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, again); d != "" {
		t.Errorf("report.json says something else:\n%s", d)
	}
	for _, want := range []string{"dr", "9.00", "0.75", "lives", "p99.9 at 80 %", "tx_full:2",
		r.Machine.CPU} {
		if !strings.Contains(read("report.txt"), want) {
			t.Errorf("report.txt does not have %q:\n%s", want, read("report.txt"))
		}
	}
	for _, d := range drawings {
		if text := read(d.name + ".svg"); !strings.Contains(text, "<svg") ||
			!strings.Contains(text, "dr") {
			t.Errorf("%s.svg is no drawing", d.name)
		}
		if picture, err := png.Decode(strings.NewReader(read(d.name + ".png"))); err != nil ||
			picture.Bounds().Dx() < 500 {
			t.Errorf("%s.png: %v", d.name, err)
		}
	}
}

// TestSaveNothing: a report without figures has no plots.
func TestSaveNothing(t *testing.T) {
	folder := t.TempDir()
	if err := new(Report).Save(folder); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "*.svg")); len(left) > 0 {
		t.Errorf("%v", left)
	}
}

func TestInWords(t *testing.T) {
	for n, want := range map[int]string{1: "1", 999: "999", 1000: "1k", 100_000: "100k",
		1_500_000: "1500k", 10_000_000: "10M"} {
		if got := inWords(n); got != want {
			t.Errorf("%d is %q; want %q", n, got, want)
		}
	}
}

func TestMachine(t *testing.T) {
	m := describeMachine("0123456789ab")
	if m.CPUs < 1 || m.CPU == "" || m.Kernel == unknown || !strings.HasPrefix(m.Go, "go") {
		t.Errorf("%+v", m)
	}
	if v := valueIn("/nonexistent", "x"); v != unknown {
		t.Errorf("%q", v)
	}
}
