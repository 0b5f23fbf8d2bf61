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
		Short: "Predict what a running director does with a packet, and why",
		Long: "explain asks a running director what it would do with a packet. The answer comes from the live\n" +
			"state and changes nothing. It shows the service, the session or the scheduler's choice, the real\n" +
			"server, the rewriting, the next hop and the port, or the reason of the drop.\n" +
			"The exit status is 0 for a forwarded packet and for a dropped one.",
		Example: "  fulcrum explain tcp 198.51.100.7:4242 10.0.0.100:80",
		Args:    cobra.ExactArgs(3),
		RunE: func(command *cobra.Command, args []string) error {
			values := url.Values{
				"protocol": {args[0]}, "from": {args[1]}, "to": {args[2]}, "flags": {flags}, "port": {port},
			}
			r := request{method: http.MethodGet, path: "explain?" + values.Encode()}
			return do(a, command, r, func(w io.Writer, x api.Explanation) { x.WriteText(w) })
		},
	}
	a = newAsking(command)
	command.Flags().StringVar(&flags, "flags", "S",
		"the packet's TCP flags: letters of S, A, F, R and P")
	command.Flags().StringVar(&port, "port", "",
		"the port at which the packet arrives (default: the one that leads to FROM)")
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
