package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"fulcrum/lab"
	"fulcrum/lvs"
)

func newLabCommand() *cobra.Command {
	var options labOptions
	command := &cobra.Command{
		Use:   "lab",
		Short: "Send real traffic through the director in every mode, between network namespaces",
		Long: "lab builds clients, a router, real servers and the director in network namespaces of their\n" +
			"own. It sends real HTTP and UDP traffic through every mode, shows the outcome and removes\n" +
			"everything. It needs root.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return options.run(command) },
	}
	command.Flags().StringVar(&options.mode, "mode", "",
		"only this mode: dr, ipip, nat or fullnat (default all)")
	command.Flags().StringVar(&options.scheduler, "scheduler", "rr",
		"scheduler, such as rr, wlc or mh; the weighted ones get weights 1, 2, 3 and so on")
	command.Flags().StringVar(&options.family, "family", string(lab.IPv4),
		"addresses: ipv4, ipv6, or ipv6-to-ipv4 (IPv6 clients, IPv4 real servers: fullnat)")
	command.Flags().StringVar(&options.config, "config", "",
		"put this configuration into a lab: its VIPs, subnets, routes and real servers")
	command.Flags().IntVar(&options.workers, "workers", 1, "number of the director's workers")
	command.Flags().IntVar(&options.servers, "servers", 3,
		fmt.Sprintf("number of real servers, 1 to %d", lab.MaxRealServers))
	command.Flags().BoolVar(&options.host, "host", false,
		"give the director's ports host interfaces, ful-front and ful-back")
	command.Flags().BoolVar(&options.health, "health", false,
		"check the real servers, let them fail in several ways, and count the requests that fail")
	command.Flags().BoolVar(&options.keep, "keep", false, "leave the labs standing")
	completeWords(command, "mode", words(lab.Modes())...)
	completeWords(command, "scheduler", words(lvs.Schedulers())...)
	completeWords(command, "family", words(lab.Families())...)
	command.AddCommand(newLabListCommand(), newLabExecCommand(), newLabCleanCommand(),
		newRealServerCommand())
	return command
}

type labOptions struct {
	mode, scheduler string
	family          string
	config          string
	workers         int
	servers         int
	host            bool
	health          bool
	keep            bool
}

// run tries one mode after the other. An interrupt ends it once the mode's lab has been removed.
func (o labOptions) run(command *cobra.Command) error {
	conduct, err := o.plan(command)
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	if os.Geteuid() != 0 {
		return errors.New("the lab makes network namespaces, which needs root: run it with sudo")
	}
	ctx, stop := signal.NotifyContext(command.Context(), syscall.SIGINT, syscall.SIGTERM,
		syscall.SIGHUP)
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // the lab is removed even if the reader of the output has gone
	if err := sweepLabs(command.OutOrStdout()); err != nil {
		return err
	}
	return outcome(ctx, conduct(ctx))
}

// sweepLabs removes what labs that were killed have left behind.
func sweepLabs(out io.Writer) error {
	swept, err := lab.Sweep()
	if err != nil {
		return fmt.Errorf("removing labs that were left behind: %w", err)
	}
	if len(swept) > 0 {
		fmt.Fprintln(out, "removed labs that were killed:", strings.Join(swept, ", "))
	}
	return nil
}

// plan returns what the lab does, which reports whether all was green. The error is the user's.
func (o labOptions) plan(command *cobra.Command) (func(context.Context) bool, error) {
	if o.config != "" {
		for _, other := range []string{"mode", "scheduler", "family", "workers", "servers", "host", "health"} {
			if command.Flags().Changed(other) {
				return nil, fmt.Errorf("--%s does not go with --config: the file says it", other)
			}
		}
		trial, err := o.fileTrial()
		return func(ctx context.Context) bool { return o.conductFile(ctx, command, trial) }, err
	}
	if o.health {
		trials, err := o.healthTrials()
		return func(ctx context.Context) bool { return conductHealth(ctx, command, trials) }, err
	}
	trials, err := o.trials()
	return func(ctx context.Context) bool { return o.conduct(ctx, command, trials) }, err
}

// fileTrial returns what a lab sends to the services of a file.
func (o labOptions) fileTrial() (t lab.FileTrial, err error) {
	if t.File, err = lab.ReadFile(o.config); err != nil {
		return t, err
	}
	t.Requests, t.Lab.Outlive = 60, o.keep
	if t.Lab.Binary, err = os.Executable(); err != nil {
		return t, fmt.Errorf("finding the program's own file: %w", err)
	}
	return t, nil
}

func (o labOptions) conductFile(ctx context.Context, command *cobra.Command, t lab.FileTrial) bool {
	r := t.Run(ctx, command.OutOrStdout())
	lab.WriteFileTable(command.OutOrStdout(), &r)
	o.describeKept(command, "the file", r.Result)
	return r.Green()
}

// conductAll runs trials one after the other until ctx ends, and returns whether all were green.
func conductAll[R any, P interface {
	*R
	Green() bool
}, T interface {
	Run(context.Context, io.Writer) R
}](ctx context.Context, out io.Writer, trials []T) (results []R, green bool) {
	green = true
	for _, t := range trials {
		if ctx.Err() != nil {
			break
		}
		r := t.Run(ctx, out)
		green = green && P(&r).Green()
		results = append(results, r)
	}
	return results, green
}

func (o labOptions) conduct(ctx context.Context, command *cobra.Command, trials []lab.Trial) bool {
	out := command.OutOrStdout()
	results, green := conductAll[lab.Result](ctx, out, trials)
	lab.WriteTable(out, results)
	for _, r := range results {
		o.describeKept(command, r.Mode.String(), r)
	}
	return green
}

func outcome(ctx context.Context, green bool) error {
	switch {
	case ctx.Err() != nil:
		return errors.New("the lab was interrupted")
	case !green:
		return errors.New("the lab failed: see the failures above")
	default:
		return nil
	}
}

// trials returns what `fulcrum lab` sends through each mode: a few hundred connections, and one
// long transfer in each direction.
func (o labOptions) trials() ([]lab.Trial, error) {
	family, err := lab.ParseFamily(o.family)
	if err != nil {
		return nil, err
	}
	modes, err := o.modes(family)
	if err != nil {
		return nil, err
	}
	scheduler, weights, err := o.balance()
	if err != nil {
		return nil, err
	}
	binary, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the program's own file: %w", err)
	}
	var list []lab.Trial
	for _, mode := range modes {
		c := lab.Config{
			Mode: mode, Family: family, Scheduler: scheduler, Servers: o.servers, Weights: weights,
			Workers: o.workers, Host: o.host, Binary: binary, Outlive: o.keep,
		}
		if err := c.Validate(); err != nil {
			return nil, err
		}
		list = append(list, lab.Trial{Lab: c, Requests: wholeRounds(300, weights), Concurrency: 16,
			Echoes: 60, TransferBytes: 64 << 20})
	}
	return list, nil
}

func (o labOptions) modes(family lab.Family) ([]lvs.Mode, error) {
	if o.mode == "" {
		return family.Modes(), nil
	}
	mode, err := lab.ParseMode(o.mode)
	if err == nil && !slices.Contains(family.Modes(), mode) {
		err = fmt.Errorf("family %s does not go with mode %s: choose %s", family, mode,
			strings.Join(words(family.Modes()), ", "))
	}
	return []lvs.Mode{mode}, err
}

// wholeRounds returns at least n requests: as many as give every real server its exact share.
func wholeRounds(n int, weights []int) int {
	round := 0
	for _, w := range weights {
		round += w
	}
	return (n + round - 1) / round * round
}

// balance returns the scheduler, and weights that show its effect.
func (o labOptions) balance() (lvs.Scheduler, []int, error) {
	scheduler, known := lvs.ParseScheduler(o.scheduler)
	switch {
	case !known:
		return 0, nil, fmt.Errorf("unknown scheduler %q: choose one of %s",
			o.scheduler, strings.Join(words(lvs.Schedulers()), ", "))
	case o.servers < 1 || o.servers > lab.MaxRealServers:
		return 0, nil, fmt.Errorf("invalid --servers %d: give 1 to %d", o.servers, lab.MaxRealServers)
	}
	weights := slices.Repeat([]int{1}, o.servers)
	for i := range weights {
		if scheduler.Weighted() {
			weights[i] = i + 1
		}
	}
	return scheduler, weights, nil
}

// describeKept says how to get into a lab that was left standing, if it was.
func (o labOptions) describeKept(command *cobra.Command, what string, r lab.Result) {
	if r.Kept == "" {
		return
	}
	fmt.Fprintf(command.OutOrStdout(), "\n%s stands as lab %s; its director was started anew, and its "+
		"counters began at zero:\n", what, r.Kept)
	t := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 4, ' ', 0)
	enter := "  fulcrum lab exec --lab " + r.Kept
	if r.Web.IsValid() {
		fmt.Fprintf(t, "%s client curl http://%s/\task a real server through the director\n", enter, r.Web)
	}
	if o.host {
		fmt.Fprintf(t, "%s director bash\tuse the network by the director's host interfaces\n", enter)
	}
	fmt.Fprintf(t, "%s rs1 bash\tlook around in a real server\n", enter)
	fmt.Fprintf(t, "  fulcrum status --socket /run/fulcrum-lab/%s/control.sock\task the director\n", r.Kept)
	fmt.Fprintf(t, "  ls /run/fulcrum-lab/%s\tconfiguration and logs\n", r.Kept)
	fmt.Fprintf(t, "  fulcrum lab clean %s\tremove it\n", r.Kept)
	_ = t.Flush() // without a reader the lab stays all the same
}

func newLabCleanCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "clean [ID...]",
		Short: "Remove labs that were kept or left behind",
		RunE: func(command *cobra.Command, ids []string) error {
			if os.Geteuid() != 0 {
				return errors.New("removing labs needs root: run it with sudo")
			}
			removed, busy, err := lab.Clean(ids...)
			for _, id := range removed {
				fmt.Fprintln(command.OutOrStdout(), "removed lab", id)
			}
			for _, id := range busy {
				fmt.Fprintf(command.OutOrStdout(), "lab %s is in use: stop its process first\n", id)
			}
			return errors.Join(err, unknownLabs(ids, append(removed, busy...)))
		},
	}
}

// unknownLabs returns an error for each id without a lab.
func unknownLabs(ids, found []string) error {
	var unknown []error
	for _, id := range ids {
		if !slices.Contains(found, id) {
			unknown = append(unknown, fmt.Errorf("unknown lab %s: `fulcrum lab list` lists labs", id))
		}
	}
	return errors.Join(unknown...)
}

// newRealServerCommand returns the command that a lab starts in a real server's namespace.
func newRealServerCommand() *cobra.Command {
	var name string
	var tcp, udp []string
	command := &cobra.Command{
		Use:    "real-server",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			c := lab.RealServerConfig{Name: name}
			var errTCP, errUDP error
			c.TCP, errTCP = parseEndpoints(tcp)
			c.UDP, errUDP = parseEndpoints(udp)
			if err := errors.Join(errTCP, errUDP); err != nil {
				return &exitError{code: 2, err: err}
			}
			ctx, stop := signal.NotifyContext(command.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return lab.ServeReal(ctx, c, command.ErrOrStderr())
		},
	}
	command.Flags().StringVar(&name, "name", "", "the name it answers with")
	command.Flags().StringArrayVar(&tcp, "tcp", nil, "ip:port to serve HTTP on")
	command.Flags().StringArrayVar(&udp, "udp", nil, "ip:port to echo datagrams on")
	return command
}

func parseEndpoints(list []string) ([]netip.AddrPort, error) {
	var endpoints []netip.AddrPort
	for _, text := range list {
		endpoint, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, fmt.Errorf("invalid address %q: %w; give ip:port", text, err)
		}
		endpoints = append(endpoints, endpoint)
	}
	return endpoints, nil
}
