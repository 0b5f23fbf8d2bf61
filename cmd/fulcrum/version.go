package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"fulcrum/control"
	"fulcrum/ports/dpdk"
)

// version returns what fulcrum version and --version print after the program's name.
func version() string {
	semantic, commit, goVersion := control.Build()
	return fmt.Sprintf("%s, commit %s, %s, %s", semantic, commit, goVersion, dpdk.Version())
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of Fulcrum, its commit, and the versions of Go and DPDK",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), "fulcrum version", version())
			return err
		},
	}
}
