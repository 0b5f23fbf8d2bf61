package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fulcrum/control"
	"fulcrum/lvs"
)

// Synth measures the time for a packet of the director and of testpmd without a link: packets are
// made and dropped in the subject's own process, by its one worker or by several.
func (b *Bench) Synth(ctx context.Context, s Scale) (*Report, error) {
	folder, err := makeFolder()
	if err != nil {
		return nil, fmt.Errorf("make a folder for the library that makes packets: %w", err)
	}
	defer os.RemoveAll(folder)
	library, err := buildSynth(folder)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Link: linkSynth, Machine: describeMachine(b.config.Commit),
		Started: time.Now().UTC().Truncate(time.Second),
	}
	k := &book{suite: linkSynth}
	for i := range s.Repeats {
		b.logf("packets without a link, run %d of %d", i+1, s.Repeats)
		if err := b.synthRun(ctx, library, s, k); err != nil {
			return nil, err
		}
	}
	k.compare()
	r.Seconds = time.Since(r.Started).Seconds()
	r.Figures, r.Accounts = k.figures, k.accounts
	return r, nil
}

// linkSynth is the name of the link that is none.
const linkSynth = "synth"

// synthRun measures each case once, and testpmd with the same packets.
func (b *Bench) synthRun(ctx context.Context, library string, s Scale, k *book) error {
	for _, c := range packetsOf(s.Cases) {
		if err := b.synthOf(ctx, library, testpmd{}, c, s, k); err != nil {
			return err
		}
	}
	for _, c := range s.Cases {
		d := director{mode: c.Mode, six: c.Six, sessions: c.Sessions * 5 / 2}
		if c.Fresh {
			d.sessions, d.timeout = s.Table, newSessionTimeout
		}
		if err := b.synthOf(ctx, library, d, c, s, k); err != nil {
			return err
		}
	}
	return nil
}

// packetsOf returns one case for all whose packets are the same but for the flows' novelty, which
// testpmd does not look at.
func packetsOf(cases []Case) (list []Case) {
	for _, c := range cases {
		same := Case{Six: c.Six, Sessions: c.Sessions, Workers: c.Workers}
		if !c.Fresh && !slices.Contains(list, same) {
			list = append(list, same)
		}
	}
	return list
}

func (b *Bench) synthOf(
	ctx context.Context, library string, subject subject, c Case, s Scale, k *book,
) error {
	rate, r, err := b.synthRate(ctx, library, subject, c, s.Duration)
	share := 1.0
	if err == nil && r != nil {
		share = forwarded(r)
		err = errors.Join(k.close(subject.name(), r), c.wantsAll(r, share))
	}
	if err != nil {
		return fmt.Errorf("%s, %s %s: %w", subject.name(), familyName(c.Six), c.work(), err)
	}
	f := Figure{
		Subject: subject.name(), Name: synthName(c), Sessions: c.Sessions,
		Size: newPattern(c.Six, subjectMAC).length + fcs, Workers: c.Workers, Unit: unitPackets,
		Packets: 1,
	}
	if subject.name() == baselineName {
		f.Name = forwarding
	}
	rate *= float64(c.workers()) * share
	k.add(f, rate/1e6)
	b.logf("  %-8s %s %-19s %7.2f Mpps %7.1f ns", subject.name(), familyName(c.Six), c.work(), rate/1e6,
		1e9/rate*float64(c.workers()))
	return nil
}

// synthName is the name of a case's figure. The figure has the mode and the sessions besides.
func synthName(c Case) string {
	if c.Fresh {
		return "new " + familyName(c.Six)
	}
	return "hit " + familyName(c.Six)
}

// synthRate runs a subject and returns the packets a second of each of its workers, and its report.
func (b *Bench) synthRate(
	ctx context.Context, library string, s subject, c Case, duration time.Duration,
) (_ float64, r *control.Report, err error) {
	folder, err := makeFolder()
	if err != nil {
		return 0, nil, fmt.Errorf("make a folder for the subject: %w", err)
	}
	l := Link{
		folder: folder, library: library, frame: newPattern(c.Six, subjectMAC).length,
		workers: c.workers(),
	}
	defer func() { err = errors.Join(err, s.cleanUp(l), os.RemoveAll(folder)) }()
	o, err := newOrder(l.order(), c)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	p, err := s.start(ctx, b, l)
	if err != nil {
		return 0, nil, errors.Join(err, p.stop())
	}
	first, warmup := uint64(2*c.Sessions), warmUp
	if c.Fresh {
		warmup = newSessionWarmup
	}
	rate, err := o.rate(ctx, p, first, warmup, duration)
	if err = errors.Join(err, p.stop()); err != nil {
		return 0, nil, err
	}
	r, err = s.report(l)
	return rate, r, err
}

// forwarded returns the share of its packets that a director forwarded.
func forwarded(r *control.Report) float64 {
	return float64(r.Transmitted) / float64(max(r.Received, 1))
}

// wantsAll returns an error if a director has dropped more than the few packets of its end: then
// its time is not the time of forwarding. Where packets are handed over, some may find the ring to
// another worker full, because that worker waited for its CPU.
func (c Case) wantsAll(r *control.Report, share float64) error {
	const most = 0.999
	if handed := c.Workers > 1 && c.Mode.Owner() == lvs.ClientEnd; handed {
		share += float64(r.Drops["handoff_full"]) / float64(max(r.Received, 1))
	}
	if share >= most {
		return nil
	}
	return fmt.Errorf("the director forwarded %d of %d packets; it dropped %v", r.Transmitted, r.Received,
		r.Drops)
}

// Record returns the times of a report without a link as a record of its commit.
func (r *Report) Record(b Build) Record {
	costs := map[string]Cost{}
	for _, c := range AllCases() {
		if ns := r.timeOf(c); ns > 0 {
			costs[c.String()] = Cost{Total: ns}
		}
	}
	return Record{
		Commit: r.Machine.Commit, Time: r.Started, Build: b, CPU: r.Machine.CPU, Unit: unitNanoseconds,
		Costs: costs,
	}
}

// timeOf returns a worker's nanoseconds for a packet of a case, or 0 if it was not measured.
func (r *Report) timeOf(c Case) float64 {
	if f := r.figureOf(c); f != nil {
		return f.NsPerPacket
	}
	return 0
}

// figureOf returns the figure of a case, or nil.
func (r *Report) figureOf(c Case) *Figure {
	for _, f := range r.Figures {
		if f.Subject == c.Mode.String() && f.Name == synthName(c) && f.Sessions == c.Sessions &&
			f.Workers == c.Workers {
			return f
		}
	}
	return nil
}

// environment returns what a subject's process finds in its environment: nothing more, or the
// library that makes packets and its order.
func (l Link) environment() []string {
	if l.library == "" {
		return os.Environ()
	}
	return append(os.Environ(), "LD_PRELOAD="+l.library, "FULCRUM_SYNTH="+l.order())
}

func (l Link) order() string { return filepath.Join(l.folder, "order") }
