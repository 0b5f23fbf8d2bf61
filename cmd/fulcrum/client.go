package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"fulcrum/api"
	"fulcrum/config"
	"fulcrum/control"
)

// asking holds the flags of commands that ask a running director.
type asking struct {
	where
	output string
}

// newAsking adds the flags to a command.
func newAsking(c *cobra.Command) *asking {
	a := new(asking)
	a.addFlags(c)
	addOutput(c, &a.output)
	return a
}

// addOutput adds the flag that chooses the output's format.
func addOutput(c *cobra.Command, output *string) {
	c.Flags().StringVarP(output, "output", "o", "table", "output format: table or json")
	completeWords(c, "output", "table", "json")
}

func checkOutput(output string) error {
	if output != "table" && output != "json" {
		return &exitError{code: 2, err: fmt.Errorf("invalid --output %q: use table or json", output)}
	}
	return nil
}

func (a *asking) validate() error { return checkOutput(a.output) }

// askDeadline bounds a request that the director answers at once.
const askDeadline = 30 * time.Second

// request is a request to the API.
type request struct {
	method, path string
	body         any // encoded as JSON; nil if there is none
}

// do sends a request and shows the answer with table, or as JSON.
func do[T any](a *asking, command *cobra.Command, r request, table func(io.Writer, T)) error {
	if err := a.validate(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(command.Context(), askDeadline)
	defer cancel()
	var answer T
	client, err := a.client()
	if err != nil {
		return err
	}
	if err := client.Do(ctx, r.method, r.path, r.body, &answer); err != nil {
		return err
	}
	return show(a, command, answer, table)
}

// show prints an answer with table, or as JSON.
func show[T any](a *asking, command *cobra.Command, answer T, table func(io.Writer, T)) error {
	if a.output == "json" {
		e := json.NewEncoder(command.OutOrStdout())
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false) // -> stays readable
		return e.Encode(answer)
	}
	t := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
	table(t, answer)
	return t.Flush()
}

// newAskCommand returns a command that shows the answer of one path of the API.
func newAskCommand[T any](use, short, path string, show func(io.Writer, T)) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs}
	a := newAsking(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return do(a, c, request{method: http.MethodGet, path: path}, show)
	}
	return c
}

// newClientCommands returns the commands that ask a running director.
func newClientCommands() []*cobra.Command {
	return []*cobra.Command{
		newAskCommand("status", "Show a summary of a running director", "status", showStatus),
		newServicesCommand(),
		newAskCommand("ports", "Show the packets that ports received and sent", "ports", showPorts),
		newAskCommand("workers", "Show the packets, sessions and longest turn of workers", "workers",
			showWorkers),
		newAskCommand("drops", "Show why packets were dropped, and what to do", "drops", showDrops),
		newAskCommand("neighbours", "Show the neighbours that workers know", "neighbours",
			showNeighbours),
		newSessionsCommand(),
		newPlanCommand(), newApplyCommand(), newRollbackCommand(), newWeightCommand(), newDrainCommand(),
		newHealthCommand(),
		newAnnounceCommand(), newOverridesCommand(), newConfigCommand(), newLogCommand(),
		newHostCommand(), newUpgradeCommand(),
	}
}

func showStatus(w io.Writer, s api.Status) {
	fmt.Fprintf(w, "file\t%s\nup\t%s\nservices\t%d\nsessions\t%d\nreceived\t%d\ntransmitted\t%d\ndropped\t%d\nheld\t%d\n",
		s.File, time.Duration(s.UptimeSeconds*float64(time.Second)).Truncate(time.Second), s.Services, s.Sessions, s.Received, s.Transmitted, s.Dropped, s.Held)
	if s.Applied != "" {
		fmt.Fprintf(w, "applied\t%s: a reload or restart goes back to the file; fulcrum config save keeps it\n",
			s.Applied)
	}
	if s.Overrides > 0 {
		fmt.Fprintf(w, "overrides\trunning differs from %s by %s\n", s.File, count(s.Overrides, "override"))
	}
	if s.StateProblem != "" {
		fmt.Fprintf(w, "state\ta restart loses what was done live: %s\n", s.StateProblem)
	}
	if s.Kept != nil {
		fmt.Fprintf(w, "at the start\t%s\n", s.Kept)
	}
	fmt.Fprintf(w, "VIPs\t%d, %d passive%s\n", s.VIPs, s.PassiveVIPs, heldVIPs(&s))
	for _, p := range s.PortWarnings {
		fmt.Fprintf(w, "port %s\t%s\n", p.Port, p.Warning)
	}
	for _, p := range s.PortGuards {
		fmt.Fprintf(w, "port %s\tguard: on, %s hidden from the kernel\n", p.Port,
			count(int(p.Hidden), "packet"))
	}
	showDefences(w, s.Defences)
	for _, p := range s.PortHosts {
		showHost(w, &p)
	}
	showHosts(w, s.Hosts)
	if c := s.Capture; c != nil {
		fmt.Fprintf(w, "capture\tof %s, since %s, by %s\n", c.What, c.Since.Local().Format(time.DateTime),
			c.From)
	}
	for _, c := range s.Conflicts[:min(len(s.Conflicts), mostVIPs)] {
		fmt.Fprintf(w, "address conflict\t%s on %s: claimed by %s, %s, last at %s\n", c.Address, c.Port,
			c.MAC, count(int(c.Claims), "time"), c.Last.Local().Format(time.DateTime))
	}
	if more := len(s.Conflicts) - mostVIPs; more > 0 {
		fmt.Fprintf(w, "\tand %d more\n", more)
	}
	showLocals(w, &s)
}

// showDefences shows the defences that are not off, and where automatic ones are active.
func showDefences(w io.Writer, all []control.Defence) {
	for _, d := range all {
		switch {
		case d.Setting == string(config.DefenceAuto) && d.Active > 0:
			fmt.Fprintf(w, "%s\tauto, active at %s\n", d.Name, count(d.Active, "worker"))
		case d.Setting == string(config.DefenceAuto):
			fmt.Fprintf(w, "%s\tauto, not active\n", d.Name)
		case d.Setting != string(config.DefenceOff):
			fmt.Fprintf(w, "%s\t%s\n", d.Name, d.Setting)
		}
	}
}

// showHost shows a port's host interface.
func showHost(w io.Writer, p *control.PortHost) {
	state := "up"
	if !p.Up {
		state = "down or gone"
	}
	fmt.Fprintf(w, "port %s\thost interface %s: %s, %s to the host, %d from it", p.Port, p.Name, state,
		count(int(p.ToHost), "frame"), p.FromHost)
	for _, reason := range slices.Sorted(maps.Keys(p.Drops)) {
		fmt.Fprintf(w, ", %d %s", p.Drops[reason], reason)
	}
	fmt.Fprintln(w)
}

// statusLines bounds the lines of each kind of warning.
const statusLines = 10

// showLocals shows the local addresses that need attention, if there are any.
func showLocals(w io.Writer, s *api.Status) {
	for i, c := range s.CrowdedLocals {
		if i == statusLines {
			fmt.Fprintf(w, "local ports\tand %d more\n", len(s.CrowdedLocals)-i)
			break
		}
		fmt.Fprintf(w, "local ports\t%s towards %s of %s: %.0f %% used, %d left\n", c.Address,
			c.RealServer, c.Service, c.UsedPercent, c.Left)
	}
	for i, a := range s.RetiredLocals {
		if i == statusLines {
			fmt.Fprintf(w, "retired\tand %d more\n", len(s.RetiredLocals)-i)
			break
		}
		verb := "end"
		if a.Sessions == 1 {
			verb = "ends"
		}
		fmt.Fprintf(w, "retired\t%s, until its %s %s\n", a.Address, count(a.Sessions, "session"), verb)
	}
}

func showPorts(w io.Writer, all []control.PortReport) {
	fmt.Fprint(w, "PORT\tRECEIVED\tTRANSMITTED\tMISSED\tNO BUFFER\tRX ERRORS\tTX ERRORS\n")
	for _, p := range all {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", p.Name, p.Received, p.Transmitted, p.Missed,
			p.NoBuffer, p.RxErrors, p.TxErrors)
	}
}

func showWorkers(w io.Writer, all []control.WorkerReport) {
	fmt.Fprint(w, "WORKER\tCPU\tRECEIVED\tTRANSMITTED\tSESSIONS\tTAKEN OVER\tLONGEST TURN\n")
	for i, v := range all {
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%d\t%s\n", i, v.CPU, v.Received, v.Transmitted, v.Sessions,
			v.TakenOver, v.LongestTurn())
	}
}

func showDrops(w io.Writer, all []control.Drop) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no packet was dropped")
		return
	}
	fmt.Fprint(w, "PACKETS\tREASON\tMEANING, AND WHAT TO DO\n")
	for _, d := range all {
		fmt.Fprintf(w, "%d\t%s\t%s\n\t\t-> %s\n", d.Packets, d.Reason, d.Meaning, d.Remedy)
	}
}

// readGood reads a configuration file. It prints the problems of the file before the director is
// asked. A director on another machine has other CPUs, so it checks the file itself.
func (a *asking) readGood(file string, stderr io.Writer) ([]byte, error) {
	if a.remote == "" {
		if _, err := loadConfig(file, stderr); err != nil {
			return nil, err
		}
	}
	return os.ReadFile(file)
}

// changesExit is the exit status of plan if the file would change something.
const changesExit = 3

func newPlanCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "plan FILE", Args: cobra.ExactArgs(1),
		Short: "Show what a configuration file would change in the running director",
		Long: "plan compares a configuration file with the running configuration. It changes nothing. The exit\n" +
			"status is 0 if apply would change nothing, and 3 if it would change something.",
	}
	a := newAsking(c)
	k := newKeeping(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		p, err := sendFile(a, c, k, "plan", args[0])
		if err == nil && !p.Empty() {
			return &exitError{code: changesExit}
		}
		return err
	}
	return c
}

func newApplyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "apply FILE", Args: cobra.ExactArgs(1),
		Short: "Apply a configuration file to the running director, as a whole or not at all",
		Long: "apply makes a file the running configuration. What was changed live stays where the file has not\n" +
			"changed it. A reload or restart reads the director's own file again, unless --save writes\n" +
			"this one to it.",
	}
	a := newAsking(c)
	k := newKeeping(c)
	save := c.Flags().Bool("save", false, "also write it to the director's file, as config save does")
	c.RunE = func(c *cobra.Command, args []string) error {
		o := saveOptions{where: a.where}
		if *save {
			if err := o.ready(c, args[0]); err != nil {
				return err
			}
		}
		_, err := sendFile(a, c, k, "apply", args[0])
		if err == nil && *save {
			err = o.save(c, a.notes(c))
		}
		return err
	}
	return c
}

// notes returns where to say what is not the answer: JSON has standard output for itself.
func (a *asking) notes(c *cobra.Command) io.Writer {
	if a.output == "json" {
		return c.ErrOrStderr()
	}
	return c.OutOrStdout()
}

// keeping holds the flags that say what becomes of overrides when a file is applied.
type keeping struct{ keep, drop bool }

func newKeeping(c *cobra.Command) *keeping {
	k := new(keeping)
	c.Flags().BoolVar(&k.keep, "keep-overrides", false,
		"keep what was changed live, even where the file has changed it")
	c.Flags().BoolVar(&k.drop, "drop-overrides", false,
		"take what the file says, even where it was changed live")
	c.MarkFlagsMutuallyExclusive("keep-overrides", "drop-overrides")
	return k
}

// addTo adds the parameter to a request.
func (k *keeping) addTo(query url.Values) {
	switch {
	case k.keep:
		query.Set("overrides", string(control.KeepOverrides))
	case k.drop:
		query.Set("overrides", string(control.DropOverrides))
	}
}

// sendFile sends a file to a path of the API and shows the plan that comes back.
func sendFile(
	a *asking, c *cobra.Command, k *keeping, what, file string,
) (p control.Plan, err error) {
	text, err := a.readGood(file, c.ErrOrStderr())
	if err != nil {
		return p, err
	}
	if err := a.validate(); err != nil {
		return p, err
	}
	client, err := a.client()
	if err != nil {
		return p, err
	}
	ctx, cancel := context.WithTimeout(c.Context(), askDeadline)
	defer cancel()
	query := url.Values{"name": {fullPath(file)}}
	k.addTo(query)
	if err := client.Do(ctx, http.MethodPost, what+"?"+query.Encode(), text, &p); err != nil {
		return p, err
	}
	return p, show(a, c, p, showPlan)
}

func newRollbackCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "rollback", Short: "Go back to the configuration before the last change", Args: cobra.NoArgs,
	}
	a := newAsking(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return do(a, c, request{method: http.MethodPost, path: "rollback"}, showPlan)
	}
	return c
}

// signs mark changes.
var signs = map[control.Action]string{control.Add: "+", control.Remove: "-", control.Alter: "~"}

func showPlan(w io.Writer, p control.Plan) {
	if p.Empty() {
		fmt.Fprintln(w, "nothing changes")
	}
	for _, c := range p.Changes {
		cells := []string{signs[c.Action] + " " + c.Object, c.Detail}
		if c.Sessions > 0 {
			cells = append(cells, count(c.Sessions, "session")+": "+c.Effect)
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	for _, line := range p.Host {
		fmt.Fprintln(w, line)
	}
	for _, o := range p.Kept {
		fmt.Fprintf(w, "override of %s\t%s\tstays\n", o.Object, o.Change())
	}
	for _, o := range p.Dropped {
		fmt.Fprintf(w, "override of %s\t%s\tis dropped: %s\n", o.Object, o.Change(), o.Reason)
	}
	for _, s := range p.Restart {
		fmt.Fprintf(w, "! %s\tneeds a restart\n", s)
	}
	for _, s := range p.Warnings {
		fmt.Fprintf(w, "warning: %s\n", s)
	}
}
