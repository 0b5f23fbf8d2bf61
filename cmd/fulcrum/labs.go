package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"fulcrum/lab"
)

func newLabListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the labs that stand",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := lab.List()
			showLabs(c.OutOrStdout(), all)
			return err
		},
	}
}

func showLabs(out io.Writer, all []lab.Standing) {
	if len(all) == 0 {
		fmt.Fprintln(out, "no lab stands")
		return
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "LAB\tMODE\tKEPT\tHOSTS\tCONTROL SOCKET\n")
	for _, l := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", l.ID, l.Mode, yes(l.Kept), strings.Join(l.Hosts, " "),
			l.ControlSocket())
	}
	_ = t.Flush() // without a reader there is nothing to do
}

func newLabExecCommand() *cobra.Command {
	var id string
	c := &cobra.Command{
		Use:   "exec HOST COMMAND [ARGUMENT...]",
		Short: "Run a command in a host of a lab, such as client or rs1",
		Long: "exec runs a command in the network namespace of a lab's host. Flags behind HOST are the command's.\n" +
			"Fulcrum's own commands ask the lab's director there: exec sets " + socketVariable + ".\n" +
			"The exit status is the command's.",
		Example: "  fulcrum lab exec client curl http://10.0.0.100/\n  fulcrum lab exec director fulcrum status",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if os.Geteuid() != 0 {
				return errors.New("entering a lab needs root: run it with sudo")
			}
			l, err := oneLab(id)
			if err != nil {
				return err
			}
			return l.Exec(args[0], args[1:], socketVariable+"="+l.ControlSocket())
		},
	}
	c.Flags().SetInterspersed(false)
	c.Flags().StringVar(&id, "lab", "", "the lab's id (default: the only lab that stands)")
	completeFlag(c, "lab", completeLabs)
	c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		l, err := oneLab(id)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return l.Hosts, cobra.ShellCompDirectiveNoFileComp
	}
	return c
}

// oneLab returns the lab with an id, or the only one that stands.
func oneLab(id string) (*lab.Standing, error) {
	all, err := lab.List()
	if err != nil && len(all) == 0 {
		return nil, err
	}
	ids := make([]string, len(all))
	for i := range all {
		if ids[i] = all[i].ID; ids[i] == id || id == "" && len(all) == 1 {
			return &all[i], nil
		}
	}
	switch {
	case len(all) == 0:
		return nil, errors.New("no lab stands: build one with fulcrum lab --keep")
	case id != "":
		return nil, fmt.Errorf("unknown lab %s: give one of %s", id, strings.Join(ids, ", "))
	}
	return nil, fmt.Errorf("%d labs stand: give one of %s with --lab", len(all), strings.Join(ids, ", "))
}

// completeLabs completes the id of a lab.
func completeLabs(*cobra.Command, []string, string) (ids []cobra.Completion, _ cobra.ShellCompDirective) {
	all, _ := lab.List()
	for _, l := range all {
		ids = append(ids, cobra.CompletionWithDesc(l.ID, l.Mode))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
