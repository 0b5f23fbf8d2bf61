package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"fulcrum/keepalived"
)

// newImportCommand reads configurations of other programs.
func newImportCommand() *cobra.Command {
	c := &cobra.Command{Use: "import", Short: "Make services of another program's configuration", Args: cobra.NoArgs, RunE: needSubcommand}
	c.AddCommand(newImportKeepalivedCommand())
	return c
}

func newImportKeepalivedCommand() *cobra.Command {
	var id string
	c := &cobra.Command{
		Use: "keepalived FILE", Short: "Print the virtual servers of a keepalived.conf as services", Args: cobra.ExactArgs(1),
		Long: "keepalived prints services for a Fulcrum configuration, to which ports have to be added, and lists on standard error and as comments what could not be carried over.\n" +
			"Each line of that begins with the file and line it is about. If anything cannot be understood, all such places are printed, no services, and the exit status is 1.",
		RunE: func(c *cobra.Command, args []string) error { return importKeepalived(c, args[0], id) },
	}
	c.Flags().StringVar(&id, "config-id", "", "read lines for some hosts only (@host) as on this host, as keepalived's option of this name")
	return c
}

func importKeepalived(c *cobra.Command, file, id string) error {
	i, err := keepalived.Load(file, id)
	if problems, bad := errors.AsType[keepalived.Problems](err); bad {
		fmt.Fprintln(c.ErrOrStderr(), problems)
		return &exitError{code: 1}
	}
	if err != nil {
		return err
	}
	for _, l := range i.Left {
		fmt.Fprintln(c.ErrOrStderr(), l)
	}
	_, err = fmt.Fprint(c.OutOrStdout(), i.TOML())
	return err
}
