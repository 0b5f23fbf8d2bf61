package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fulcrum/bench"
	"fulcrum/modes"
)

// openBench prepares a benchmark of this program. At the end of the test nothing of it may be left.
func openBench(t *testing.T) *bench.Bench {
	t.Helper()
	needRoot(t)
	needTime(t)
	b, err := bench.Open(bench.Config{Binary: ownBinary(t), GeneratorCPU: 0, SubjectCPU: 1,
		Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		own := fmt.Sprintf("fulcrum-bench-%d-*", os.Getpid())
		for _, parent := range []string{os.TempDir(), "/var/run/dpdk"} {
			if left, _ := filepath.Glob(filepath.Join(parent, own)); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		}
	})
	return b
}

// moment is long enough for both ends to get a CPU, even on a busy machine.
var moment = bench.Scale{
	Repeats: 1, Duration: time.Second, Sessions: []int{1000}, Sizes: []int{64},
	Modes: []modes.Mode{modes.DR, modes.FullNAT}, Profile: time.Second,
}

// TestBench sends packets through testpmd and through the director. The director accounts for all
// of them, and the figures are compared.
func TestBench(t *testing.T) {
	r, err := openBench(t).Run(t.Context(), []string{"throughput"}, moment)
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"testpmd", "dr", "fullnat"} {
		found := false
		for _, f := range r.Figures {
			if f.Subject == subject && f.Name == "udp" {
				found = true
				if f.Median <= 0 || f.Ratio <= 0 || f.NsPerPacket <= 0 {
					t.Errorf("%+v", f)
				}
			}
		}
		if !found {
			t.Errorf("no figure of %s", subject)
		}
	}
}

// TestBenchSynth: packets made in the processes under test pass testpmd and the director, in both
// families, with one worker and with two. The times for them become a record and a plot.
func TestBenchSynth(t *testing.T) {
	scale := moment
	scale.Duration, scale.Table = 100*time.Millisecond, 1<<20
	scale.Cases = []bench.Case{
		{Mode: modes.DR, Sessions: 1000}, {Mode: modes.FullNAT, Six: true, Sessions: 1000},
		{Mode: modes.FullNAT, Fresh: true},
		{Mode: modes.DR, Sessions: 1000, Workers: 2}, {Mode: modes.NAT, Sessions: 1000, Workers: 2},
	}
	r, err := openBench(t).Synth(t.Context(), scale)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Save(t.TempDir()); err != nil {
		t.Error(err)
	}
	for _, f := range r.Figures {
		if f.Unit == "Mpps" && (f.Median <= 0 || f.Ratio <= 0 || f.NsPerPacket <= 0) {
			t.Errorf("%+v", f)
		}
	}
	record := r.Record(bench.Build{})
	for _, c := range scale.Cases {
		if record.Costs[c.String()].Total <= 0 {
			t.Errorf("no time of %v in %+v", c, record)
		}
	}
	if len(record.Costs) != len(scale.Cases) {
		t.Errorf("%+v", record)
	}
}

// TestBenchLinkUsage: flags that do not go together are refused before anything starts.
func TestBenchLinkUsage(t *testing.T) {
	for want, arguments := range map[string][]string{
		"unknown --link": {"--link", "wire"},
		"need a link":    {"--link", "synth", "--stages"},
		"--record and":   {"--record"},
		"--cases are":    {"--cases", "dr"},
		"invalid --case": {"--link", "synth", "--cases", "("},
		"no case match":  {"--link", "synth", "--cases", "dr hit IPv4"},
	} {
		p := newProgram(t, append([]string{"bench"}, arguments...)...).start()
		if status := p.end(); status != 2 || !strings.Contains(p.lastLine(), want) {
			t.Errorf("%q: status %d, %q; want 2 and %q", arguments, status, p.lastLine(), want)
		}
	}
}

// TestBenchStages: the director's profile shows the time of each stage.
func TestBenchStages(t *testing.T) {
	scale := moment
	scale.Modes = scale.Modes[:1]
	costs, err := openBench(t).Stages(t.Context(), scale)
	if err != nil {
		t.Fatal(err)
	}
	sum := map[string]float64{}
	for _, c := range costs {
		sum[c.Stage] += c.Ns
	}
	if sum["receive and transmit"] <= 0 ||
		sum["lookup"]+sum["decide"]+sum["parse"]+sum["rewrite"] <= 0 {
		t.Errorf("%v", costs)
	}
}

// TestBenchGenerateUsage: wrong flags are reported before DPDK starts.
func TestBenchGenerateUsage(t *testing.T) {
	const mac = "02:00:00:00:00:01"
	for want, arguments := range map[string][]string{
		"--device":             {},
		"--vip":                {"--device", "net_null0"},
		"--to":                 {"--device", "net_null0", "--vip", "10.0.0.1:80", "--to", "02:00"},
		"198.18.0.0/15":        {"--device", "net_null0", "--vip", "198.18.0.1:80", "--to", mac},
		"kind of traffic":      {"--device", "net_null0", "--vip", "10.0.0.1:80", "--to", mac, "--kind", "icmp"},
		"invalid frame size 9": {"--device", "net_null0", "--vip", "10.0.0.1:80", "--to", mac, "--size", "9"},
	} {
		p := newProgram(t, append([]string{"bench", "generate"}, arguments...)...).start()
		if status := p.end(); status != 2 || !strings.Contains(p.lastLine(), want) {
			t.Errorf("%q: status %d, %q; want 2 and %q", arguments, status, p.lastLine(), want)
		}
	}
}
