package main

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"fulcrum/control"
)

func newExplainCommand() *cobra.Command {
	var c client
	var flags, port, output string
	command := &cobra.Command{
		Use:   "explain PROTOCOL FROM TO",
		Short: "Say what would become of a packet, and why",
		Long: "explain asks a running director what it would do with a packet, from its live state and without changing anything:\n" +
			"which service, session or choice of the scheduler, real server, rewriting, next hop and port, or why it would be dropped.\n" +
			"The exit status is 0 whether it would be forwarded or dropped.",
		Example: "  fulcrum explain tcp 198.51.100.7:4242 10.0.0.100:80",
		Args:    cobra.ExactArgs(3),
		RunE: func(command *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return &exitError{code: 2, err: fmt.Errorf("--output %s: write text or json", output)}
			}
			var x control.Explanation
			values := url.Values{"protocol": {args[0]}, "from": {args[1]}, "to": {args[2]}, "flags": {flags}, "port": {port}}
			if err := c.read(command.Context(), "/explain", values, &x); err != nil {
				return err
			}
			if output == "json" {
				return json.NewEncoder(command.OutOrStdout()).Encode(x)
			}
			return x.WriteText(command.OutOrStdout())
		},
	}
	c.flags(command)
	command.Flags().StringVar(&flags, "flags", "S", "the packet's TCP flags, of the letters S, A, F, R and P")
	command.Flags().StringVar(&port, "port", "", "the port that it comes in at (default: the one that leads to FROM)")
	command.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return command
}
