package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/pprof/profile"

	"fulcrum/modes"
)

// stageOf maps functions to stages. The first function from the innermost outwards that has a row
// decides. So a function that several stages call, such as a checksum, counts for its caller.
var stageOf = map[string]string{
	"fulcrum/ports/dpdk._Cfunc_fulcrum_exchange": "receive and transmit",
	"fulcrum/engine.(*Worker).exchange":          "receive and transmit",
	"fulcrum/engine.(*Worker).parse":             "parse",
	"fulcrum/engine.(*Worker).admit":             "parse",
	"fulcrum/engine.(*Worker).hash":              "lookup",
	"fulcrum/engine.(*Worker).probe":             "lookup",
	"fulcrum/conntrack.(*Table).Confirm":         "lookup",
	"fulcrum/conntrack.(*Table).Lookup":          "lookup",
	"fulcrum/conntrack.(*Table).Confirm6":        "lookup",
	"fulcrum/conntrack.(*Table).Lookup6":         "lookup",
	"fulcrum/engine.(*Worker).newFlow":           "new sessions",
	"fulcrum/engine.(*Worker).track":             "track",
	"fulcrum/engine.(*Worker).decide":            "decide",
	"fulcrum/engine.(*Worker).rewrite":           "rewrite",
	"fulcrum/engine.(*Worker).transmit":          "rewrite",
	"fulcrum/engine.(*Worker).output":            "rewrite",
	"fulcrum/conntrack.(*Table).Expire":          "timers",
	"fulcrum/engine.(*Worker).Turn":              "housekeeping",
	"fulcrum/engine.(*Worker).loop":              "housekeeping",
}

// stages is the order of stages in a table.
var stages = []string{"receive and transmit", "parse", "lookup", "decide", "track", "new sessions",
	"rewrite", "timers", "housekeeping"}

// StageCost is the cost of one stage for a packet.
type StageCost struct {
	Mode     string  `json:"mode"`
	Sessions int     `json:"sessions"` // in the table
	Stage    string  `json:"stage"`
	Ns       float64 `json:"ns_per_packet"` // nanoseconds a packet
}

// Stages measures the cost of each stage of the pipeline for a packet: the time per packet at full
// rate, divided by the samples of the worker's CPU time. It disturbs the director by a hundred
// signals a second.
func (b *Bench) Stages(ctx context.Context, s Scale) ([]StageCost, error) {
	var list []StageCost
	for _, m := range s.Modes {
		for _, n := range s.Sessions {
			costs, err := b.stagesOf(ctx, m, n, s.Profile)
			if err != nil {
				return nil, err
			}
			list = append(list, costs...)
		}
	}
	return list, nil
}

func (b *Bench) stagesOf(ctx context.Context, m modes.Mode, sessions int, sending time.Duration) ([]StageCost, error) {
	folder, err := makeFolder()
	if err != nil {
		return nil, fmt.Errorf("make a folder for the profile: %w", err)
	}
	defer os.RemoveAll(folder)
	var rate float64
	d := director{mode: m, sessions: sessions * 5 / 4, profile: filepath.Join(folder, "cpu.pprof")}
	_, err = b.with(ctx, d, func(bed *bed) error {
		r, err := bed.trial(ctx, Trial{Kind: UDP, Flows: sessions, Size: MinSize, Create: true,
			Warmup: Duration(warmUp), Duration: Duration(sending)})
		rate = r.PacketRate()
		return err
	})
	if err != nil {
		return nil, err
	}
	p, err := readProfile(d.profile)
	if err != nil {
		return nil, err
	}
	shares, err := stageShares(p)
	if err != nil {
		return nil, fmt.Errorf("read the director's profile: %w", err)
	}
	var costs []StageCost
	for _, stage := range stages {
		costs = append(costs, StageCost{m.String(), sessions, stage, shares[stage] * 1e9 / rate})
	}
	return costs, nil
}

// stageShares returns each stage's share of the samples of a CPU profile that belong to a stage.
func stageShares(p *profile.Profile) (map[string]float64, error) {
	shares, total := map[string]float64{}, 0.0
	for _, s := range p.Sample {
		if stage, ok := stageOfSample(s); ok {
			shares[stage] += float64(s.Value[0])
			total += float64(s.Value[0])
		}
	}
	if total == 0 {
		return nil, errors.New("no sample is in the pipeline")
	}
	for stage := range shares {
		shares[stage] /= total
	}
	return shares, nil
}

func stageOfSample(s *profile.Sample) (string, bool) {
	for _, l := range s.Location {
		for _, line := range l.Line {
			if stage, ok := stageOf[line.Function.Name]; ok {
				return stage, true
			}
		}
	}
	return "", false
}

// WriteStages writes the costs as a table: a row for each stage, a column for each mode and number
// of sessions.
func WriteStages(w io.Writer, costs []StageCost) error {
	var columns []string
	cells := map[string]map[string]float64{}
	for _, c := range costs {
		column := c.Mode + " " + inWords(c.Sessions)
		if cells[column] == nil {
			cells[column] = map[string]float64{}
			columns = append(columns, column)
		}
		cells[column][c.Stage] = c.Ns
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "ns/packet\t%s\t\n", strings.Join(columns, "\t"))
	for _, stage := range slices.Concat(stages, []string{"all"}) {
		fmt.Fprint(t, stage)
		for _, column := range columns {
			fmt.Fprintf(t, "\t%.1f", cellOf(cells[column], stage))
		}
		fmt.Fprint(t, "\t\n")
	}
	return t.Flush()
}

func cellOf(cells map[string]float64, stage string) float64 {
	if stage != "all" {
		return cells[stage]
	}
	sum := 0.0
	for _, ns := range cells {
		sum += ns
	}
	return sum
}

// SaveStages writes the costs to a folder, as JSON and as a table.
func SaveStages(folder string, costs []StageCost) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make the folder for results: %w", err)
	}
	text, err := json.MarshalIndent(costs, "", "  ")
	if err != nil {
		return err
	}
	var table strings.Builder
	err = errors.Join(WriteStages(&table, costs),
		os.WriteFile(filepath.Join(folder, "stages.json"), append(text, '\n'), 0o644),
		os.WriteFile(filepath.Join(folder, "stages.txt"), []byte(table.String()), 0o644))
	if err != nil {
		return fmt.Errorf("write the stages' costs: %w", err)
	}
	return nil
}
