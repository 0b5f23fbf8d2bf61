package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"fulcrum/api"
	"fulcrum/control"
)

// leftExit is the exit status of drain if sessions were left at the deadline.
const leftExit = 3

// drainOptions holds the flags of fulcrum drain.
type drainOptions struct {
	*asking
	deadline            time.Duration
	end, remove, detach bool
	force               force
}

func newDrainCommand() *cobra.Command {
	var o drainOptions
	c := &cobra.Command{
		Use: "drain SERVICE REAL-SERVER", Args: cobra.ExactArgs(2),
		Short: "Give a real server no new sessions and wait until its sessions end",
		Long: "drain sets a real server's weight to 0. With --deadline or --remove it then shows once a second\n" +
			"how many sessions are left, until none is left or the deadline comes. The director itself drains:\n" +
			"it continues if this command is interrupted, and another weight cancels the drain.\n" +
			"It is refused for the last available real server of a service or of a VIP, unless --force is\n" +
			"given. The exit status is 3 if sessions were left at the deadline.",
		Example: "  fulcrum drain web 10.1.0.11:80 --deadline 5m --end --remove",
	}
	o.asking = newAsking(c)
	c.ValidArgsFunction = o.completeServer
	c.Flags().DurationVar(&o.deadline, "deadline", 0,
		"wait at most this long for sessions to end, such as 5m")
	c.Flags().BoolVar(&o.end, "end", false, "end the sessions that are left at the deadline")
	c.Flags().BoolVar(&o.remove, "remove", false,
		"remove the real server once it has no session, or at the deadline")
	c.Flags().BoolVar(&o.detach, "detach", false, "do not wait")
	o.force.addTo(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := o.check(); err != nil {
			return err
		}
		service, server, err := o.meant(c, args[0], args[1])
		if err != nil {
			return err
		}
		err = o.run(c, api.ServerPath(service, server)+"/drain")
		return explained(o.unknownNames(c, service, server, err))
	}
	return c
}

func (o *drainOptions) check() error {
	switch {
	case o.deadline < 0:
		return &exitError{
			code: 2,
			err:  fmt.Errorf("invalid --deadline %s: it is negative; give the time to wait, such as 5m", o.deadline),
		}
	case o.end && o.deadline == 0:
		return &exitError{
			code: 2,
			err:  errors.New("--end needs a deadline, at which it ends the sessions that are left: give it with --deadline"),
		}
	}
	return o.validate()
}

func (o *drainOptions) run(c *cobra.Command, path string) error {
	request := control.DrainRequest{
		DeadlineSeconds: o.deadline.Seconds(), EndSessions: o.end, Remove: o.remove,
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	var d control.Drain
	if err := client.Do(c.Context(), http.MethodPost, path+o.force.query("?"), request, &d); err != nil {
		return err
	}
	if d.Warning != "" {
		fmt.Fprintf(c.ErrOrStderr(), "warning: %s\n", d.Warning)
	}
	if !o.detach && (o.deadline > 0 || o.remove) {
		if err := o.countDown(c, client, path, &d); err != nil {
			return err
		}
	}
	if err := show(o.asking, c, d, showDrain); err != nil {
		return err
	}
	if d.State == control.DrainOver && d.Left > 0 {
		return &exitError{code: leftExit}
	}
	return nil
}

// countDown shows the number of sessions left, once a second, until the drain is done.
func (o *drainOptions) countDown(
	c *cobra.Command, client *api.Client, path string, d *control.Drain,
) error {
	var shown time.Time
	for {
		*d = control.Drain{}
		if err := client.Do(c.Context(), http.MethodGet, path, nil, d); err != nil {
			return err
		}
		if d.State != control.Draining {
			return nil
		}
		if time.Since(shown) >= time.Second {
			shown = time.Now()
			fmt.Fprintf(c.ErrOrStderr(), "%s left%s\n", count(d.Left, "session"), closing(d))
		}
		select {
		case <-c.Context().Done():
			return c.Context().Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// closing says how many sessions are about to end, if any are.
func closing(d *control.Drain) string {
	if d.Closing == 0 {
		return ""
	}
	return fmt.Sprintf(", %d closing", d.Closing)
}

func showDrain(w io.Writer, d control.Drain) {
	fmt.Fprintf(w, "%s of %s:\t%s, %s left", d.RealServer, d.Service, d.State,
		count(d.Left, "session"))
	if d.State == control.DrainOver && d.Left > 0 {
		fmt.Fprint(w, " at the deadline")
	}
	fmt.Fprint(w, closing(&d))
	if d.Ended > 0 {
		fmt.Fprintf(w, ", %d ended", d.Ended)
	}
	if d.Removed {
		fmt.Fprint(w, ", real server removed")
	}
	if d.Problem != "" {
		fmt.Fprintf(w, "; %s", d.Problem)
	}
	fmt.Fprintln(w)
}
