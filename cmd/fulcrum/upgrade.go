package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"fulcrum/api"
	"fulcrum/control"
)

// upgradeDeadline is longer than a director waits for its successor.
const upgradeDeadline = 10 * time.Minute

func newUpgradeCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "upgrade [BINARY]", Short: "Have another version of the program take over all sessions",
		Args: cobra.MaximumNArgs(1),
		Long: "upgrade has a running director start BINARY, unless one is given the file that it was itself\n" +
			"started from, with its own arguments. The new process reads the configuration and takes all\n" +
			"sessions over while the old one forwards; then it takes the ports and sockets, and the old one\n" +
			"ends. If it fails before, the old one goes on. It needs session.keep.",
		Example: "  fulcrum upgrade\n  fulcrum upgrade /opt/fulcrum/bin/fulcrum",
	}
	a := newAsking(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var r api.UpgradeRequest
		if len(args) == 1 {
			program, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			r.Program = program
		}
		return explained(a.upgrade(c, r))
	}
	return c
}

func (a *asking) upgrade(c *cobra.Command, r api.UpgradeRequest) error {
	if err := a.validate(); err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), upgradeDeadline)
	defer cancel()
	var s control.Succession
	if err := client.Do(ctx, http.MethodPost, "upgrade", r, &s); err != nil {
		return err
	}
	return show(a, c, s, func(w io.Writer, s control.Succession) { fmt.Fprintln(w, &s) })
}
