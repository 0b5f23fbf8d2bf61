package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"fulcrum/lab"
)

// newDrillCommand returns the command that has a director end and start under traffic.
func newDrillCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "drill",
		Short: "End and start the director of a lab, and count what clients lost",
		Long: "drill builds labs as `fulcrum lab` does, with session.keep. Clients have long connections,\n" +
			"flows of datagrams and new requests while the director ends and starts again. The table\n" +
			"holds what they lost against the aims. It needs root.",
	}
	command.AddCommand(
		newDrill(lab.DrillRestart, "Stop the director with SIGTERM, and start it again"),
		newDrill(lab.DrillKill, "End the director with SIGKILL, and start it again"),
		newDrill(lab.DrillUpgrade, "Have another process take over from the director"))
	return command
}

func newDrill(kind lab.DrillKind, short string) *cobra.Command {
	o := labOptions{scheduler: "rr", servers: 3}
	connections := 0
	command := &cobra.Command{
		Use: string(kind), Short: short, Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if connections < 1 || connections > mostDrillConnections {
				return &exitError{code: 2, err: fmt.Errorf("invalid --connections %d: give 1 to %d", connections,
					mostDrillConnections)}
			}
			plain, err := o.trials()
			if err != nil {
				return &exitError{code: 2, err: err}
			}
			var drills []lab.Drill
			for _, t := range plain {
				drills = append(drills, lab.Drill{Lab: t.Lab, Kind: kind, Connections: connections})
			}
			return runDrills(command, drills)
		},
	}
	command.Flags().StringVar(&o.mode, "mode", "",
		"only this mode: dr, ipip, nat or fullnat (default all)")
	command.Flags().StringVar(&o.family, "family", string(lab.IPv4), "addresses: ipv4 or ipv6")
	command.Flags().IntVar(&o.workers, "workers", 1, "number of the director's workers")
	command.Flags().IntVar(&connections, "connections", 20,
		"number of long connections, and of flows of datagrams")
	completeWords(command, "mode", words(lab.Modes())...)
	completeWords(command, "family", words(lab.Families())...)
	return command
}

// mostDrillConnections is far below the ports of the lab's clients.
const mostDrillConnections = 1000

// runDrills does one drill after the other. An interrupt ends it once the lab has been removed.
func runDrills(command *cobra.Command, drills []lab.Drill) error {
	if os.Geteuid() != 0 {
		return errors.New("a drill makes network namespaces, which needs root: run it with sudo")
	}
	ctx, stop := signal.NotifyContext(command.Context(), syscall.SIGINT, syscall.SIGTERM,
		syscall.SIGHUP)
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // the lab is removed even if the reader of the output has gone
	if err := sweepLabs(command.OutOrStdout()); err != nil {
		return err
	}
	return outcome(ctx, conductDrills(ctx, command, drills))
}

func conductDrills(ctx context.Context, command *cobra.Command, drills []lab.Drill) bool {
	out := command.OutOrStdout()
	results, green := conductAll[lab.DrillResult](ctx, out, drills)
	lab.WriteDrillTable(out, results)
	return green
}
