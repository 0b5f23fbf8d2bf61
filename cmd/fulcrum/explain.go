package main

import (
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"fulcrum/api"
	"fulcrum/lvs"
)

func newExplainCommand() *cobra.Command {
	var flags, port string
	var a *asking
	command := &cobra.Command{
		Use:   "explain PROTOCOL FROM TO",
		Short: "Say what would become of a packet, and why",
		Long: "explain asks a running director what it would do with a packet, from its live state and without changing anything:\n" +
			"which service, session or choice of the scheduler, real server, rewriting, next hop and port, or why it would be dropped.\n" +
			"The exit status is 0 whether it would be forwarded or dropped.",
		Example: "  fulcrum explain tcp 198.51.100.7:4242 10.0.0.100:80",
		Args:    cobra.ExactArgs(3),
		RunE: func(command *cobra.Command, args []string) error {
			values := url.Values{"protocol": {args[0]}, "from": {args[1]}, "to": {args[2]}, "flags": {flags}, "port": {port}}
			return do(a, command, http.MethodGet, "explain?"+values.Encode(), nil, func(w io.Writer, x api.Explanation) { x.WriteText(w) })
		},
	}
	a = newAsking(command)
	command.Flags().StringVar(&flags, "flags", "S", "the packet's TCP flags, of the letters S, A, F, R and P")
	command.Flags().StringVar(&port, "port", "", "the port that it comes in at (default: the one that leads to FROM)")
	command.ValidArgsFunction = completeProtocol
	completeFlag(command, "port", a.completePort)
	return command
}

// completeProtocol completes the first argument.
func completeProtocol(_ *cobra.Command, args []string, _ string) (all []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(args) == 0 {
		for _, p := range lvs.Protocols() {
			all = append(all, p.String())
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}
