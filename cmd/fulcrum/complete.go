package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"fulcrum/control"
)

// completeDeadline bounds the wait for a completion at the shell.
const completeDeadline = 2 * time.Second

// completeServer completes a service's name, and then the address of one of its real servers, from
// what the director reports.
func (w *where) completeServer(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var all []cobra.Completion
	var services []control.ServiceReport
	w.ask(c.Context(), "services", &services)
	for _, s := range services {
		switch {
		case len(args) == 0:
			all = append(all, cobra.CompletionWithDesc(s.Name, s.Protocol+" "+s.Address))
		case len(args) == 1 && args[0] == s.Name:
			for _, rs := range s.RealServers {
				all = append(all, rs.Address)
			}
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// completeService completes a flag whose value is a service's name.
func (w *where) completeService(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return w.completeServer(c, nil, "")
}

// completePort completes a flag whose value is a port's name.
func (w *where) completePort(c *cobra.Command, _ []string, _ string) (all []cobra.Completion, _ cobra.ShellCompDirective) {
	var ports []control.PortReport
	w.ask(c.Context(), "ports", &ports)
	for _, p := range ports {
		all = append(all, p.Name)
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// ask sends a request for completions. Without an answer there are none.
func (w *where) ask(ctx context.Context, path string, out any) {
	client, err := w.client()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, completeDeadline)
	defer cancel()
	_ = client.Do(ctx, http.MethodGet, path, nil, out)
}

// completeFlag sets the completion of a command's flag.
func completeFlag(c *cobra.Command, flag string, by cobra.CompletionFunc) {
	_ = c.RegisterFlagCompletionFunc(flag, by) // fails only for an unknown flag
}

// completeWords completes a flag that takes one of a few words.
func completeWords(c *cobra.Command, flag string, words ...string) {
	completeFlag(c, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// words returns the names of what a table lists.
func words[T fmt.Stringer](all []T) (names []string) {
	for _, one := range all {
		names = append(names, one.String())
	}
	return names
}
