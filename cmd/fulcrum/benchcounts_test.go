package main

import (
	"errors"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"testing"

	"fulcrum/bench"
	"fulcrum/modes"
)

// counted are the cases that CI counts, in a few seconds.
var counted = []bench.Case{
	{Mode: modes.DR, Sessions: 1000}, {Mode: modes.FullNAT, Sessions: 1000},
	{Mode: modes.FullNAT, Six: true, Sessions: 1000},
}

// dearer is the share by which a packet may take more instructions than it did when they were last
// recorded. What costs more is recorded on purpose: fulcrum bench instructions --record.
const dearer = 0.03

// TestInstructions: a packet of a known session takes no more instructions than it did. Another
// compiler or profile makes another program, which is not compared; nor is one whose profile is
// gone. Two counts are equal, function by function.
func TestInstructions(t *testing.T) {
	needTime(t)
	history, err := bench.ReadHistory(filepath.Join("../../bench/results", bench.InstructionsHistory))
	if err != nil || len(history) == 0 {
		t.Fatalf("%d records, %v", len(history), err)
	}
	build, err := bench.BuildOf(ownBinary(t))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	last := &history[len(history)-1]
	if r := bench.NewRecord("now", build, nil); r.Skips(last) != "" {
		t.Skip(r.Skips(last))
	}
	costs, err := bench.CountInstructions(t.Context(), counted)
	if err != nil {
		t.Fatal(err)
	}
	r := bench.NewRecord("now", build, costs)
	for _, d := range r.Dearer(last, dearer) {
		t.Errorf("%s; if this is meant: fulcrum bench instructions --record", d)
	}
	for name, c := range costs {
		t.Logf("%s: %.1f instructions a packet, %.1f recorded", name, c.Total, last.Costs[name].Total)
	}
	one := counted[:1]
	again, err := bench.CountInstructions(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	name := one[0].String()
	if !maps.Equal(again[name].Parts, costs[name].Parts) {
		t.Errorf("counted again: %v; before that: %v", again[name], costs[name])
	}
	sum := 0.0
	for _, n := range costs[name].Parts {
		sum += n
	}
	parsing := costs[name].Parts["fulcrum/engine.parseUsual"]
	if parsing == 0 || math.Abs(sum-costs[name].Total) > 1 {
		t.Errorf("parts of %.1f together: %v", sum, costs[name])
	}
}
