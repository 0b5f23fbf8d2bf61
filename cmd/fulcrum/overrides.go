package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fulcrum/control"
)

func newOverridesCommand() *cobra.Command {
	c := newAskCommand("overrides", "Show what was changed live and differs from the file",
		"overrides", showOverrides)
	c.Long = "overrides lists the differences between the running configuration and the file that it is from:\n" +
		"what weight, drain, announce, ipvsadm and the API changed. A reload keeps an override as long as\n" +
		"the file still has the value that it was made over."
	c.AddCommand(newResetCommand())
	return c
}

func showOverrides(w io.Writer, all []control.Override) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no overrides: the director runs what the file says")
		return
	}
	for _, o := range all {
		line := fmt.Sprintf("%s %s\t%s", signs[o.Action], o.Object, o.Change())
		fmt.Fprintln(w, strings.TrimRight(line, "\t"))
	}
}

func newResetCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "reset [SERVICE [REAL-SERVER]]", Args: cobra.MaximumNArgs(2),
		Short: "Give back to the file what was changed live",
		Long: "reset undoes the overrides of a real server, of a service with its real servers, or all. It is a\n" +
			"change like others: rollback takes it back.",
		Example: "  fulcrum overrides reset web 10.1.0.11:80",
	}
	a := newAsking(c)
	c.ValidArgsFunction = a.completeServer
	c.RunE = func(c *cobra.Command, args []string) error {
		if slices.Contains(args, "") { // as from a script's empty variable: not everything is meant
			return &exitError{code: 2, err: errors.New("a name is empty: without any, all is reset")}
		}
		args = append(args, "", "")
		return a.reset(c, args[0], args[1], true)
	}
	return c
}

// reset resets the overrides of a real server, of a service if server is empty, or all.
func (a *asking) reset(c *cobra.Command, service, server string, f force) error {
	if known, knownServer, err := a.meant(c, service, server); err == nil {
		service, server = known, knownServer // others may have been removed live
	}
	query := url.Values{}
	if service != "" {
		query.Set("service", service)
	}
	if server != "" {
		query.Set("server", server)
	}
	path := "overrides?" + query.Encode() + f.query("&")
	err := do(a, c, request{method: http.MethodDelete, path: path}, showPlan)
	return a.unknownNames(c, service, server, err)
}
