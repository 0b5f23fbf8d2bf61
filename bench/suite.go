package bench

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// suite is a group of figures that are measured together.
type suite struct {
	name, what string
	run        func(context.Context, *Bench, Scale, *book) error
}

// suites is the one table of suites, in the order in which they run.
var suites = []suite{
	{"throughput", "packets a second, by mode, sessions, frame size and protocol", throughput},
	{"new-sessions", "new sessions a second: first datagrams, SYNs, whole TCP lives", newSessions},
	{
		"latency",
		"the highest rates with hardly any loss and with none; the latency at 80 % of the first, also while counters are read",
		latency,
	},
	{"cliffs", "a full table, a flood of SYNs, all packets in one flow, a million sessions that expire at once", cliffs},
	{"memory", "bytes that a session takes, seconds to list them all", sessionMemory},
	{"start-up", "seconds from start to the first packet", startUp},
	{"http", "requests a second, each on a connection, over the kernel's interfaces (af_packet, af_xdp)", webRequests},
}

// SuiteNames returns the names of the suites and what they measure.
func SuiteNames() []string {
	var list []string
	for _, s := range suites {
		list = append(list, fmt.Sprintf("%s (%s)", s.name, s.what))
	}
	return list
}

// Run runs the named suites, or all.
func (b *Bench) Run(ctx context.Context, names []string, scale Scale) (*Report, error) {
	for _, n := range names {
		if !slices.ContainsFunc(suites, func(s suite) bool { return s.name == n }) {
			return nil, fmt.Errorf("unknown suite %q; see fulcrum bench --help", n)
		}
	}
	r := &Report{Machine: describeMachine(b.config.Commit), Started: time.Now().UTC().Truncate(time.Second)}
	k := new(book)
	for _, s := range suites {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		k.suite = s.name
		if err := s.run(ctx, b, scale, k); err != nil {
			return nil, fmt.Errorf("suite %s: %w", s.name, err)
		}
	}
	k.compare()
	r.Seconds = time.Since(r.Started).Seconds()
	r.Figures, r.Accounts = k.figures, k.accounts
	return r, nil
}

// forwarding is the figure that every rate is compared with: datagrams of a thousand known flows.
const forwarding = "udp"

// warmUp is the time of sending before anything counts, for caches and CPU frequencies.
const warmUp = 300 * time.Millisecond

// measure runs f with a subject and keeps the subject's report.
func (b *Bench) measure(ctx context.Context, k *book, s subject, f func(*bed) error) error {
	r, err := b.with(ctx, s, f)
	if err != nil {
		return err
	}
	return k.close(s.name(), r)
}

// baseline measures testpmd with the smallest frames of a thousand flows.
func (b *Bench) baseline(ctx context.Context, k *book, duration time.Duration) error {
	return b.baselines(ctx, k, []Trial{{Flows: thousand, Size: MinSize}}, duration)
}

// baselines measures testpmd with these numbers of flows and sizes of frames.
func (b *Bench) baselines(ctx context.Context, k *book, of []Trial, duration time.Duration) error {
	return b.measure(ctx, k, testpmd{}, func(d *bed) error {
		for _, t := range of {
			t.Kind, t.Warmup, t.Duration = UDP, Duration(warmUp), Duration(duration)
			r, err := d.trial(ctx, t)
			if err != nil {
				return err
			}
			k.addRate(baselineName, forwarding, r)
			b.say(r, baselineName)
		}
		return nil
	})
}

// say logs how a trial went.
func (b *Bench) say(r Result, subject string) {
	b.logf("  %-8s %-8s %9d sessions %5d bytes %7.2f Mpps", subject, r.Trial.Kind, r.Trial.Flows,
		r.Trial.Size, r.PacketRate()/1e6)
}

// created returns an error if sessions could not be made.
func created(r Result) error {
	if r.Uncreated > 0 {
		return fmt.Errorf("sessions are missing: %d of the packets that make them never arrived",
			r.Uncreated)
	}
	return nil
}
