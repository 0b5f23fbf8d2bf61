package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/spf13/cobra"

	"fulcrum/api"
	"fulcrum/control"
	"fulcrum/top"
)

// leastInterval keeps a view from costing the director much.
const leastInterval = 100 * time.Millisecond

func newTopCommand() *cobra.Command {
	var w where
	var interval time.Duration
	c := &cobra.Command{
		Use:   "top",
		Short: "Watch a running director: rates, drops, busy workers",
		Long: "top shows the rates of a running director's services, real servers and workers, and why packets\n" +
			"are dropped. q quits, arrows scroll, / filters services by a part of their line or of a real\n" +
			"server's address, s sorts them, f folds their real servers.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if interval < leastInterval {
				return &exitError{
					code: 2, err: fmt.Errorf("invalid --interval %s: give at least %s", interval, leastInterval),
				}
			}
			client, err := w.client()
			if err != nil {
				return err
			}
			return watch(c.Context(), client, interval)
		},
	}
	w.addFlags(c)
	c.Flags().DurationVar(&interval, "interval", time.Second, "time between two readings")
	return c
}

// watch shows the view until the user quits. It returns an error if no director answers at the
// start.
func watch(ctx context.Context, director *api.Client, interval time.Duration) error {
	read := func() top.Sample {
		ctx, cancel := context.WithTimeout(ctx, askDeadline)
		defer cancel()
		s := top.Sample{Report: new(control.Report)}
		s.Err = director.Do(ctx, http.MethodGet, "report", nil, s.Report)
		s.At = time.Now()
		return s
	}
	if s := read(); s.Err != nil {
		return s.Err
	}
	_, err := tea.NewProgram(top.New(read, interval), tea.WithContext(ctx), tea.WithAltScreen()).Run()
	if errors.Is(err, tea.ErrInterrupted) {
		return nil
	}
	return err
}
