package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"fulcrum/control"
)

func newLogCommand() *cobra.Command {
	c := newAskCommand("log", "Show the last changes: who made them, and what changed", "log", showAudits)
	c.Long = "log shows the changes since the director's start, the oldest first, at most 256. The director's own\n" +
		"log has them too."
	return c
}

func showAudits(w io.Writer, all []control.Audit) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no changes since the start")
		return
	}
	for _, a := range all {
		fmt.Fprintf(w, "%s  %s  by %s, revision %s\n", a.Time.Local().Format(time.DateTime), a.Command,
			a.Who, a.Revision)
		for _, what := range a.Changes {
			fmt.Fprintf(w, "    %s\n", what)
		}
		if a.More > 0 {
			fmt.Fprintf(w, "    and %d more\n", a.More)
		}
		if a.Sessions > 0 {
			fmt.Fprintf(w, "    %s touched\n", count(a.Sessions, "session"))
		}
	}
}
