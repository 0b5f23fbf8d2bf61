package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"fulcrum/config"
)

func newCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration file and explain all its problems",
		Long: "check reads a configuration file. It prints each problem as\n\n" +
			"  file:line: key: what is wrong; what is right\n\n" +
			"and what is valid but hardly meant, or opens what is closed by default, as a warning. It opens no device and needs no privileges. The exit status is 0 for a valid file and 1 otherwise.",
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error { return checkFile(command, args[0]) },
	}
}

func checkFile(command *cobra.Command, file string) error {
	c, err := config.Load(file)
	if problems, bad := errors.AsType[config.Problems](err); bad {
		fmt.Fprintln(command.ErrOrStderr(), problems)
		return &exitError{code: 1}
	}
	if err != nil {
		return &exitError{code: 1, err: err}
	}
	for _, w := range c.Warnings() {
		fmt.Fprintf(command.ErrOrStderr(), "%s: warning: %s\n", c.File, w)
	}
	fmt.Fprintln(command.OutOrStdout(), checkSummary(c))
	return nil
}

// checkSummary describes a valid configuration in one line.
func checkSummary(c *config.Config) string {
	servers := 0
	for _, service := range c.Services {
		servers += len(service.RealServers)
	}
	return fmt.Sprintf("%s: ok (%s, %s, %s)", c.File,
		count(len(c.Ports), "port"), count(len(c.Services), "service"), count(servers, "real server"))
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
