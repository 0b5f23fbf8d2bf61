package bench

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// profileOf returns a CPU profile of stacks, each with its innermost function first, and their
// samples.
func profileOf(stacks map[string]int64) *profile.Profile {
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}}}
	for stack, n := range stacks {
		s := &profile.Sample{Value: []int64{n}}
		for name := range strings.SplitSeq(stack, " ") {
			f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: name}
			l := &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f}}}
			p.Function, p.Location, s.Location = append(p.Function, f), append(p.Location, l),
				append(s.Location, l)
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

// TestStageShares: the innermost function with a stage decides, and functions outside the pipeline
// do not count.
func TestStageShares(t *testing.T) {
	const loop = " fulcrum/engine.(*Worker).Turn fulcrum/engine.(*Worker).loop"
	shares, err := stageShares(profileOf(map[string]int64{
		"fulcrum/packet.Parse fulcrum/engine.(*Worker).parse" + loop:                      30,
		"runtime.cgocall fulcrum/engine.(*Worker).exchange" + loop:                        50,
		"fulcrum/packet.Fold fulcrum/modes.Route fulcrum/engine.(*Worker).rewrite" + loop: 15,
		"fulcrum/engine.(*Clock).Now fulcrum/engine.(*Worker).loop":                       5,
		"runtime.gcBgMarkWorker": 1000,
	}))
	if err != nil {
		t.Fatal(err)
	}
	for stage, want := range map[string]float64{"parse": 0.3, "receive and transmit": 0.5,
		"rewrite": 0.15, "housekeeping": 0.05, "lookup": 0} {
		if math.Abs(shares[stage]-want) > 1e-9 {
			t.Errorf("%s: %g; want %g", stage, shares[stage], want)
		}
	}
}

func TestStageSharesOfNothing(t *testing.T) {
	if _, err := stageShares(profileOf(map[string]int64{"main.main": 3})); err == nil {
		t.Error("a profile without the pipeline has stages")
	}
}

func TestReadProfile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cpu.pprof")
	if _, err := readProfile(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(file, []byte("no profile"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readProfile(file); err == nil {
		t.Error("reading text that is no profile gave no error")
	}
}

// TestEveryStageIsShown: tables would leave out a stage that is missing in the order.
func TestEveryStageIsShown(t *testing.T) {
	known := map[string]bool{}
	for _, s := range stages {
		known[s] = true
	}
	for function, stage := range stageOf {
		if !known[stage] {
			t.Errorf("%s belongs to %q, which no table shows", function, stage)
		}
	}
}

func TestWriteStages(t *testing.T) {
	var b strings.Builder
	err := WriteStages(&b, []StageCost{{"dr", thousand, "parse", 5}, {"dr", thousand, "lookup", 7.5},
		{"nat", million, "parse", 6}})
	if err != nil || !strings.Contains(b.String(), "dr 1k") || !strings.Contains(b.String(), "12.5") ||
		!strings.Contains(b.String(), "nat 1M") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
