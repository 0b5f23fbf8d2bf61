package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"fulcrum/keepalived"
)

// newImportCommand reads configurations of other programs.
func newImportCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "import", Short: "Convert another program's configuration to services",
		Args: cobra.NoArgs, RunE: needSubcommand,
	}
	c.AddCommand(newImportKeepalivedCommand())
	return c
}

func newImportKeepalivedCommand() *cobra.Command {
	var id string
	c := &cobra.Command{
		Use: "keepalived FILE", Args: cobra.ExactArgs(1),
		Short: "Print the virtual servers of a keepalived.conf as services",
		Long: "keepalived prints services for a Fulcrum configuration. The user adds the ports. Whatever it cannot\n" +
			"convert it lists on standard error and as comments, each with its file and line. If it does not\n" +
			"understand something, it prints all such places and no services, and the exit status is 1.",
		RunE: func(c *cobra.Command, args []string) error { return importKeepalived(c, args[0], id) },
	}
	c.Flags().StringVar(&id, "config-id", "",
		"read the lines that are only for this host (@host), as keepalived's option of the same name does")
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
