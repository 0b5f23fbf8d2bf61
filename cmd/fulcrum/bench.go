package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"fulcrum/bench"
	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/packet"
	"fulcrum/ports/dpdk"
)

func newBenchCommand() *cobra.Command {
	var o benchOptions
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure the director and DPDK's testpmd on a virtual link",
		Long: "bench starts a traffic generator and the director, each on a CPU of its own. It measures\n" +
			"dpdk-testpmd in the director's place as the baseline. The suites are:\n\n  " +
			strings.Join(bench.SuiteNames(), "\n  ") +
			"\n\nIt writes figures, a table and plots. It needs root and two idle CPUs.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringSliceVar(&o.suites, "suite", nil, "run only these suites")
	f.BoolVar(&o.quick, "quick", false, "take a minute or two, for a first impression")
	f.BoolVar(&o.full, "full", false, "take an hour, with up to 100 million sessions")
	f.BoolVar(&o.stages, "stages", false, "measure the pipeline stage by stage instead")
	f.StringVar(&o.profile, "profile", "",
		"write a CPU profile of the director for the compiler to this file instead (cmd/fulcrum/default.pgo)")
	f.StringVar(&o.link, "link", linkVhost,
		"vhost, a virtual link from the generator; or synth, packets made in the process under test")
	f.StringVar(&o.cases, "cases", "",
		"with --link synth: only the cases whose names match, such as 'fullnat IPv4' or '1k by 2 workers'")
	f.BoolVar(&o.record, "record", false, "with --link synth: add a record for this commit, and draw all of them")
	f.BoolVar(&o.noHuge, "no-huge", false, "reserve no huge pages; free ones are used anyway")
	f.StringVar(&o.results, "results", "bench/results", "the folder for the results")
	f.IntVar(&o.generatorCPU, "generator-cpu", 0, "the generator's CPU")
	f.IntVar(&o.subjectCPU, "cpu", 1, "the CPU of the device under test")
	c.MarkFlagsMutuallyExclusive("quick", "full")
	c.MarkFlagsMutuallyExclusive("suite", "stages", "profile")
	completeWords(c, "link", linkVhost, linkSynth)
	completeWords(c, "suite", bench.SuiteNames()...)
	c.AddCommand(newGenerateCommand(), newInstructionsCommand(), newTurnsCommand(),
		newHTTPClientCommand(), newHTTPServerCommand())
	return c
}

// The links of fulcrum bench.
const (
	linkVhost = "vhost"
	linkSynth = "synth"
)

// benchOptions holds the flags of fulcrum bench.
type benchOptions struct {
	suites                      []string
	link, cases                 string
	record                      bool
	quick, full, stages, noHuge bool
	results, profile            string
	generatorCPU, subjectCPU    int
}

func (o *benchOptions) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	if err := o.checkLink(); err != nil {
		return &exitError{code: 2, err: err}
	}
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	signal.Ignore(syscall.SIGPIPE) // huge pages are given back even if the reader has gone
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the program's own file: %w", err)
	}
	_, commit, _ := control.Build()
	scale := o.scale()
	c := bench.Config{
		Binary: binary, Commit: commit, GeneratorCPU: o.generatorCPU, SubjectCPU: o.subjectCPU, Reserve: scale.Huge,
		Log: stderr,
	}
	if o.noHuge {
		c.Reserve = 0
	}
	b, err := bench.Open(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	switch {
	case o.profile != "":
		err = b.Profile(ctx, scale, o.profile)
	case o.link == linkSynth:
		err = o.runSynth(ctx, b, scale, stdout)
	case o.stages:
		err = o.runStages(ctx, b, scale, stdout)
	default:
		err = o.runSuites(ctx, b, scale, stdout)
	}
	if ctx.Err() != nil {
		return errors.New("the benchmark was interrupted")
	}
	return err
}

func (o *benchOptions) runSuites(
	ctx context.Context, b *bench.Bench, scale bench.Scale, stdout io.Writer,
) error {
	report, err := b.Run(ctx, o.suites, scale)
	if err != nil {
		return err
	}
	return errors.Join(report.WriteTable(stdout), report.Save(o.results))
}

// checkLink returns an error if flags do not go together.
func (o *benchOptions) checkLink() error {
	switch {
	case o.link != linkVhost && o.link != linkSynth:
		return fmt.Errorf("unknown --link %q: use vhost or synth", o.link)
	case o.link == linkSynth && (len(o.suites) > 0 || o.stages || o.profile != ""):
		return errors.New("--suite, --stages and --profile need a link: leave --link synth out")
	case (o.record || o.cases != "") && o.link != linkSynth:
		return errors.New("--record and --cases are for --link synth")
	}
	wanted, err := regexp.Compile(o.cases)
	if err != nil {
		return fmt.Errorf("invalid --cases: %w", err)
	}
	all := bench.AllCases()
	if !slices.ContainsFunc(all, func(c bench.Case) bool { return wanted.MatchString(c.String()) }) {
		return fmt.Errorf("no case matches --cases %q: a name is, for example, %q", o.cases, all[0])
	}
	return nil
}

// runSynth measures without a link.
func (o *benchOptions) runSynth(
	ctx context.Context, b *bench.Bench, scale bench.Scale, stdout io.Writer,
) error {
	wanted := regexp.MustCompile(o.cases) // checkLink compiled it
	scale.Cases = slices.DeleteFunc(slices.Clone(scale.Cases), func(c bench.Case) bool {
		return !wanted.MatchString(c.String())
	})
	report, err := b.Synth(ctx, scale)
	if err != nil {
		return err
	}
	err = errors.Join(report.WriteTable(stdout), report.Save(o.results))
	if err != nil || !o.record {
		return err
	}
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the program's own file: %w", err)
	}
	build, err := bench.BuildOf(binary)
	if err != nil {
		return err
	}
	return bench.AddToHistory(filepath.Join(o.results, bench.SynthHistory), report.Record(build))
}

func (o *benchOptions) scale() bench.Scale {
	switch {
	case o.quick:
		return bench.Scales["quick"]
	case o.full:
		return bench.Scales["full"]
	}
	return bench.Scales["default"]
}

func (o *benchOptions) runStages(
	ctx context.Context, b *bench.Bench, scale bench.Scale, stdout io.Writer,
) error {
	costs, err := b.Stages(ctx, scale)
	if err != nil {
		return err
	}
	return errors.Join(bench.WriteStages(stdout, costs), bench.SaveStages(o.results, costs))
}

// generateOptions holds the flags of fulcrum bench generate.
type generateOptions struct {
	device, hugePages, vip, subject, mac, kind string
	memory, cpu                                int
	serve                                      bool
	warmup, duration                           time.Duration
	trial                                      bench.Trial
}

func newGenerateCommand() *cobra.Command {
	var o generateOptions
	c := &cobra.Command{
		Use:   "generate --device DEVICE --vip ADDRESS:PORT --to MAC",
		Short: "Send benchmark traffic to a device under test and count the packets that come back",
		Long: "generate plays clients, their gateway and real servers on one DPDK device. It works with any\n" +
			"device under test. It prints a trial's result as JSON. It needs root.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), c.InOrStdin(), c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&o.device, "device", "",
		"the DPDK device: a PCI address, or a virtual device such as net_vhost0,iface=/tmp/x.sock")
	f.StringVar(&o.vip, "vip", "", "the service's address and port")
	f.StringVar(&o.subject, "to", "", "the MAC address of the device under test")
	f.StringVar(&o.mac, "mac", "02:00:00:00:00:fe", "the MAC address of all other stations")
	f.StringVar(&o.hugePages, "hugepages", "auto", "auto, on or off")
	f.IntVar(&o.memory, "memory", 256, "MiB for DPDK")
	f.IntVar(&o.cpu, "cpu", 0, "the CPU to run on")
	f.StringVar(&o.kind, "kind", "udp", "udp, tcp, new-udp, new-tcp or lives")
	f.IntVar(&o.trial.Flows, "flows", 1000, "distinct client addresses and ports")
	f.IntVar(&o.trial.Size, "size", bench.MinSize, "bytes of a frame, with FCS")
	f.Float64Var(&o.trial.Rate, "rate", 0,
		"packets a second from clients; 0 is as many as the device under test takes")
	f.BoolVar(&o.trial.Answer, "answer", false,
		"let real servers answer through the device under test (nat, fullnat)")
	f.BoolVar(&o.trial.Create, "create", true, "make every flow's session first")
	f.DurationVar(&o.warmup, "warmup", time.Second, "time of sending before the measurement")
	f.DurationVar(&o.duration, "duration", 5*time.Second, "time of sending that is measured")
	f.BoolVar(&o.serve, "serve", false, "read trials from standard input instead, as JSON")
	completeWords(c, "kind", words(bench.Kinds())...)
	completeWords(c, "hugepages", config.HugePagesAuto, config.HugePagesOn, config.HugePagesOff)
	return c
}

func (o *generateOptions) run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	site, err := o.site()
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	trials, err := o.trials(stdin)
	if err != nil {
		return &exitError{code: 2, err: err}
	}
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	return o.generate(ctx, site, trials, stdout)
}

// site returns the addresses that the flags give.
func (o *generateOptions) site() (bench.Site, error) {
	if o.device == "" {
		return bench.Site{}, errors.New("generate needs a device: give it with --device")
	}
	vip, err := netip.ParseAddrPort(o.vip)
	if err != nil {
		return bench.Site{}, fmt.Errorf("invalid --vip: %w; give the service's address and port, such as 10.0.0.100:80", err)
	}
	s := bench.Site{VIP: vip}
	if s.SubjectMAC, err = parseMAC("--to", o.subject); err != nil {
		return s, err
	}
	if s.MAC, err = parseMAC("--mac", o.mac); err != nil {
		return s, err
	}
	return s, s.Validate()
}

func parseMAC(flag, text string) (packet.MAC, error) {
	mac, err := net.ParseMAC(text)
	if err == nil && len(mac) != 6 {
		err = fmt.Errorf("%s has %d bytes, not 6", text, len(mac))
	}
	if err != nil {
		return packet.MAC{}, fmt.Errorf("invalid %s: %w; give a MAC address such as 02:00:00:00:00:01", flag, err)
	}
	return packet.MAC(mac), nil
}

// trials returns the trials as JSON: from the flags, or from standard input with --serve.
func (o *generateOptions) trials(stdin io.Reader) (io.Reader, error) {
	if o.serve {
		return stdin, nil
	}
	t := o.trial
	t.Warmup, t.Duration = bench.Duration(o.warmup), bench.Duration(o.duration)
	if err := t.Kind.UnmarshalText([]byte(o.kind)); err != nil {
		return nil, err
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(t)
	return strings.NewReader(string(text)), err
}

// generate opens the port and runs the trials.
func (o *generateOptions) generate(ctx context.Context, site bench.Site, trials io.Reader, stdout io.Writer) (err error) {
	eal, err := dpdk.Start(dpdk.Config{
		HugePages: o.hugePages, Memory: int64(o.memory) << 20, CPU: o.cpu, Devices: []string{o.device},
		Args: []string{"--single-file-segments"},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eal.Close()) }()
	port, err := eal.OpenPort(dpdk.PortConfig{Name: "generator", Device: o.device})
	if err != nil {
		return err
	}
	return bench.Serve(ctx, bench.ServeConfig{
		Site: site, Port: port, CPU: o.cpu, EnterThread: eal.RegisterThread, LeaveThread: eal.UnregisterThread,
	}, trials, stdout)
}
