package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"fulcrum/bench"
	"fulcrum/control"
	"fulcrum/lvs"
)

// countOptions holds the flags of fulcrum bench instructions.
type countOptions struct {
	results string
	record  bool
	most    int
}

func newInstructionsCommand() *cobra.Command {
	var o countOptions
	c := &cobra.Command{
		Use:   "instructions",
		Short: "Count the instructions that the director executes for a packet, by function",
		Long: "instructions executes turns of the director instruction by instruction, without any driver, and\n" +
			"counts. The counts of a program are the same in every run and on every machine. It compares them\n" +
			"with the last record of the folder for results.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&o.results, "results", "bench/results", "the folder with the records of earlier commits")
	f.BoolVar(&o.record, "record", false, "add a record for this commit, and draw all of them")
	f.IntVar(&o.most, "functions", 12, "show so many functions of each case")
	return c
}

func (o *countOptions) run(ctx context.Context, stdout io.Writer) error {
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the program's own file: %w", err)
	}
	build, err := bench.BuildOf(binary)
	if err != nil {
		return err
	}
	costs, err := bench.CountInstructions(ctx, bench.CountedCases())
	if err != nil {
		return err
	}
	_, commit, _ := control.Build()
	r := bench.NewRecord(commit, build, costs)
	if err := r.WriteTable(stdout, o.most); err != nil {
		return err
	}
	file := filepath.Join(o.results, bench.InstructionsHistory)
	if err := compareWithLast(stdout, file, &r); err != nil || !o.record {
		return err
	}
	return bench.AddToHistory(file, r)
}

// compareWithLast says what costs more than in the last record.
func compareWithLast(w io.Writer, file string, r *bench.Record) error {
	history, err := bench.ReadHistory(file)
	if err != nil || len(history) == 0 {
		return err
	}
	last := &history[len(history)-1]
	if skip := r.Skips(last); skip != "" {
		fmt.Fprintln(w, "not compared:", skip)
		return nil
	}
	for _, d := range r.Dearer(last, 0) {
		fmt.Fprintln(w, "more:", d)
	}
	return nil
}

// newTurnsCommand is the process whose instructions are counted.
func newTurnsCommand() *cobra.Command {
	var k bench.Case
	var mode string
	c := &cobra.Command{
		Use:    "turns",
		Short:  "Run the turns that fulcrum bench instructions counts; only it can",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) (err error) {
			var known bool
			if k.Mode, known = lvs.ParseMode(mode); !known {
				return fmt.Errorf("unknown mode %q", mode)
			}
			return bench.RunTurns(k)
		},
	}
	f := c.Flags()
	f.StringVar(&mode, "mode", "", "the forwarding mode")
	completeWords(c, "mode", words(lvs.Modes())...)
	f.BoolVar(&k.Six, "ipv6", false, "IPv6 throughout")
	f.BoolVar(&k.Fresh, "new", false, "each packet begins a session")
	f.IntVar(&k.Sessions, "sessions", 1000, "known sessions; 0 with --new")
	return c
}
