package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"fulcrum/config"
	"fulcrum/keepalived"
)

// newImportCommand reads the configurations of others.
func newImportCommand() *cobra.Command {
	c := &cobra.Command{Use: "import", Short: "Make services of another program's configuration", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		_ = c.Usage()
		return &exitError{code: 2}
	}}
	c.AddCommand(&cobra.Command{
		Use: "keepalived FILE", Short: "Print the virtual servers of a keepalived.conf as services", Args: cobra.ExactArgs(1),
		Long: "keepalived prints services for a Fulcrum configuration, to which ports have to be added, and lists on standard error and as comments what could not be carried over.",
		RunE: func(c *cobra.Command, args []string) error { return importKeepalived(c, args[0]) },
	})
	return c
}

func importKeepalived(c *cobra.Command, file string) error {
	i, err := keepalived.Load(file)
	if err != nil {
		return err
	}
	w := c.OutOrStdout()
	fmt.Fprintf(w, "# Services of %s. Add ports, and routes where real servers are behind gateways.\n", file)
	for _, l := range i.Left {
		fmt.Fprintln(c.ErrOrStderr(), l)
		fmt.Fprintln(w, "# not carried over:", l)
	}
	fmt.Fprint(w, "\n", config.RenderServices(i.Services))
	return nil
}
