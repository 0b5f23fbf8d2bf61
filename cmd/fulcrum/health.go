package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"fulcrum/api"
	"fulcrum/control"
)

func newHealthCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "health [SERVICE [REAL-SERVER]]", Args: cobra.MaximumNArgs(2),
		Short: "Make health checks now and show each step",
		Long: "health makes the check of a real server, of all of a service, or of all, and shows what each step saw\n" +
			"and how long it took. It changes nothing: the director's own checks decide which real servers are up.\n" +
			"The exit status is 3 if a check is bad.",
		Example: "  fulcrum health web 10.1.0.11:80",
	}
	a := newAsking(c)
	c.ValidArgsFunction = a.completeServer
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := a.validate(); err != nil {
			return err
		}
		service, server := firstTwo(args)
		trials, err := a.trials(c, service, server)
		if err != nil {
			return err
		}
		if err := show(a, c, trials, showTrials); err != nil {
			return err
		}
		if slices.ContainsFunc(trials, func(t control.Trial) bool { return !t.Good }) {
			return &exitError{code: leftExit}
		}
		return nil
	}
	return c
}

func firstTwo(args []string) (first, second string) {
	args = append(slices.Clone(args), "", "")
	return args[0], args[1]
}

// trials makes the checks of a real server, of all of a service if server is empty, or of all.
func (a *asking) trials(c *cobra.Command, service, server string) ([]control.Trial, error) {
	client, err := a.client()
	if err != nil {
		return nil, err
	}
	if server != "" {
		if service, server, err = a.meant(c, service, server); err != nil {
			return nil, err
		}
		t, err := tryCheck(c, client, service, server)
		return []control.Trial{t}, explained(a.unknownNames(c, service, server, err))
	}
	var all []control.ServiceReport
	if err := client.Do(c.Context(), http.MethodGet, "services", nil, &all); err != nil {
		return nil, err
	}
	if service != "" {
		if all, err = chosenServices(all, []string{service}); err != nil {
			return nil, err
		}
	}
	trials := []control.Trial{}
	for _, s := range all {
		for _, rs := range s.RealServers {
			if rs.Health == nil {
				continue
			}
			t, err := tryCheck(c, client, s.Name, rs.Address)
			if err != nil {
				return nil, err
			}
			trials = append(trials, t)
		}
	}
	return trials, nil
}

func tryCheck(c *cobra.Command, client *api.Client, service, server string) (t control.Trial, err error) {
	return t, client.Do(c.Context(), http.MethodPost, api.ServerPath(service, server)+"/check", nil, &t)
}

func showTrials(w io.Writer, all []control.Trial) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no real server has a health check")
	}
	for i, t := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		showTrial(w, &t)
	}
	if len(all) == 1 {
		showPast(w, all[0].Last)
	}
}

// showPast shows the director's own checks, the latest first.
func showPast(w io.Writer, all []control.PastCheck) {
	if len(all) > 0 {
		fmt.Fprintln(w, "the director's own checks:")
	}
	for _, p := range all {
		fmt.Fprintf(w, "  %s\t%.1f ms\t%s: %s\n", p.At.Local().Format(time.DateTime), p.Latency,
			goodOrBad(p.Good), p.Reason)
	}
}

func goodOrBad(good bool) string {
	if good {
		return "good"
	}
	return "bad"
}

func showTrial(w io.Writer, t *control.Trial) {
	fmt.Fprintf(w, "%s %s: %s, %s\n", t.Service, t.RealServer, t.Check, standingOf(t))
	for _, s := range t.Steps {
		fmt.Fprintf(w, "  %s\t%.1f ms\t%s\n", s.Name, s.Took, s.Saw)
	}
	fmt.Fprintf(w, "  %s: %s\n", goodOrBad(t.Good), t.Reason)
}

// standingOf says what the director's own checks have found.
func standingOf(t *control.Trial) string {
	state, others := "down", "good"
	if t.Up {
		state, others = "up", "bad"
	}
	if t.Streak == 0 {
		return state
	}
	return fmt.Sprintf("%s, %d of %d %s results", state, t.Streak, t.Needed, others)
}
