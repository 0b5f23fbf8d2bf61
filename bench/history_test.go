package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHistory: a commit has one record, the last; records are drawn.
func TestHistory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results", InstructionsHistory)
	if list, err := ReadHistory(file); err != nil || len(list) != 0 {
		t.Fatalf("%v, %v", list, err)
	}
	name := CountedCases()[0].String()
	for i, commit := range []string{"a", "b", "a"} {
		r := NewRecord(commit, Build{Go: "go1"}, map[string]Cost{name: {Total: float64(i)}})
		if err := AddToHistory(file, r); err != nil {
			t.Fatal(err)
		}
	}
	list, err := ReadHistory(file)
	if err != nil || len(list) != 2 || list[0].Commit != "b" || list[1].Commit != "a" ||
		list[1].Costs[name].Total != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	drawn, err := os.ReadFile(filepath.Join(filepath.Dir(file), "instructions-hit-1k.svg"))
	if err != nil || !strings.Contains(string(drawn), "dr IPv4") {
		t.Errorf("%v: %.200s", err, drawn)
	}
	if err := os.WriteFile(file, []byte("{\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadHistory(file); err == nil || !strings.Contains(err.Error(), "record 1") {
		t.Errorf("a damaged history: %v", err)
	}
}

// TestDearer: only what costs more than the tolerance is told, and only of one build.
func TestDearer(t *testing.T) {
	name := CountedCases()[0].String()
	record := func(b Build, total float64) *Record {
		r := NewRecord("x", b, map[string]Cost{name: {Total: total}})
		return &r
	}
	before := record(Build{Go: "go1"}, 100)
	for total, want := range map[float64]int{90: 0, 103: 0, 104: 1} {
		if got := record(before.Build, total).Dearer(before, 0.03); len(got) != want {
			t.Errorf("%v after 100: %q", total, got)
		}
	}
	if record(before.Build, 1).Skips(before) != "" || record(Build{Go: "go2"}, 1).Skips(before) == "" {
		t.Error("builds are not told apart")
	}
}

// TestTally: a port's instructions and those of its callees do not count, on any stack; a string
// instruction counts once.
func TestTally(t *testing.T) {
	n := tally{by: map[string]uint64{}, symbols: symbols{
		1: "fulcrum/engine.A", 2: "fulcrum/ports/memory.B", 3: "runtime.memmove", 4: "fulcrum/bench.C",
	}}
	for _, at := range [][2]uint64{
		{1, 800}, {2, 792}, {2, 700}, {3, 692}, {3, 4000}, {2, 792}, {1, 800}, {3, 792}, {3, 792}, {4, 808},
	} {
		n.add(at[0], at[1])
	}
	if n.by["fulcrum/engine.A"] != 2 || n.by["runtime.memmove"] != 1 || len(n.by) != 2 {
		t.Errorf("%v", n.by)
	}
	if c := n.cost(2); c.Total != 1.5 || c.dearest(1)[0] != "fulcrum/engine.A" {
		t.Errorf("%+v", c)
	}
}
