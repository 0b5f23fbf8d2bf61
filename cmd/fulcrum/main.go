package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:])) }

// run executes the program with arguments and returns its exit status: 0, 1 for an error, 2 for
// wrong usage.
func run(args []string) int {
	root := newRootCommand()
	root.SetArgs(args)
	ran := false
	root.PersistentPreRun = func(*cobra.Command, []string) { ran = true }
	command, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	status := 1
	if !ran { // cobra checks arguments and flags before a command runs
		status, err = 2, fmt.Errorf("%w; see %s --help", err, command.CommandPath())
	}
	err = withLabs(command, err)
	var exit *exitError
	if errors.As(err, &exit) {
		status, err = exit.code, exit.err
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fulcrum:", err)
	}
	return status
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "fulcrum",
		Version:       version(),
		Short:         "An LVS director in user space: layer-4 load balancing on DPDK",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          needSubcommand,
	}
	root.AddCommand(newRunCommand(), newCheckCommand(), newExplainCommand(), newCaptureCommand(),
		newTopCommand(), newLabCommand(), newDrillCommand(), newBenchCommand())
	root.AddCommand(newIPVSAdmCommand(), newIPVSShimCommand(), newIPVSFilesCommand(),
		newImportCommand(), newVersionCommand())
	root.AddCommand(newClientCommands()...)
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.RunE = needSubcommand // otherwise it accepts any shell and prints nothing
	}
	return root
}

// needSubcommand runs a command that has no action of its own: it prints the usage.
func needSubcommand(c *cobra.Command, _ []string) error {
	_ = c.Usage()
	return &exitError{code: 2}
}
