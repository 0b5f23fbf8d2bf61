package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"fulcrum/lab"
)

// healthTrials returns what `fulcrum lab --health` does: in each mode, all that can happen to a
// real server, with each way to watch real servers.
func (o labOptions) healthTrials() ([]lab.HealthTrial, error) {
	switch {
	case o.keep:
		return nil, errors.New("--keep does not go with --health: real servers of that lab fail")
	case o.servers == 1:
		return nil, errors.New("--health needs --servers 2 or more: one fails, and others take its clients")
	}
	plain, err := o.trials()
	if err != nil {
		return nil, err
	}
	var list []lab.HealthTrial
	for _, t := range plain {
		for _, v := range lab.HealthVariants() {
			list = append(list, lab.HealthTrial{
				Lab: t.Lab, Variant: v, Events: lab.Events(), Rate: 100, Patience: 2 * time.Second,
			})
		}
	}
	return list, nil
}

func conductHealth(ctx context.Context, command *cobra.Command, trials []lab.HealthTrial) bool {
	out := command.OutOrStdout()
	results, green := conductAll[lab.HealthResult](ctx, out, trials)
	lab.WriteHealthTable(out, results)
	return green
}
