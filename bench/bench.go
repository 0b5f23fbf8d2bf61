package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"fulcrum/control"
)

// dpdkMemory is the memory of each process for buffers and rings, in MiB.
const dpdkMemory = 256

// Config describes a Bench.
type Config struct {
	Binary       string // the fulcrum program
	Commit       string // that Binary was built from
	GeneratorCPU int
	SubjectCPU   int // a subject of two workers has the generator's besides, which is not there then
	// Reserve is the number of bytes of huge pages to have while the benchmark runs. 0 reserves none
	// and uses those that are free.
	Reserve int
	Log     io.Writer // progress, line by line
}

// Bench starts generators and subjects.
type Bench struct {
	config   Config
	reserved reservation
}

// Open prepares a benchmark. Its caller stays locked to its thread until Close, because processes
// die with the thread that started them.
func Open(c Config) (*Bench, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("the benchmark runs DPDK, which needs root: run it with sudo")
	}
	runtime.LockOSThread()
	b := &Bench{config: c}
	if c.Reserve == 0 {
		return b, nil
	}
	var err error
	b.reserved, err = reserve(hugePages, c.Reserve)
	return b, err
}

// Close gives back what Open took.
func (b *Bench) Close() error {
	defer runtime.UnlockOSThread()
	return b.reserved.restore()
}

// huge reports whether a process of the benchmark will find huge pages, by the director's own rule.
func (b *Bench) huge() bool {
	free, err := readNumber(hugePages + "/free_hugepages")
	return err == nil && free*hugePageSize >= dpdkMemory<<20
}

// moreCPUs returns the CPUs of a subject's workers beyond the first.
func (b *Bench) moreCPUs(l Link) []int {
	if l.workers < 2 {
		return nil
	}
	return []int{b.config.GeneratorCPU}
}

func (b *Bench) logf(format string, args ...any) {
	fmt.Fprintf(b.config.Log, format+"\n", args...)
}

// makeFolder makes a temporary folder. Its name says which process left it behind.
func makeFolder() (string, error) {
	return os.MkdirTemp("", fmt.Sprintf("fulcrum-bench-%d-", os.Getpid()))
}

// bed is a generator, a link and a subject.
type bed struct {
	bench     *Bench
	subject   subject
	link      Link
	generator *process
	results   *json.Decoder
	running   *process // the subject
}

// newBed starts both ends.
func (b *Bench) newBed(ctx context.Context, s subject) (_ *bed, err error) {
	folder, err := makeFolder()
	if err != nil {
		return nil, fmt.Errorf("make a folder for the link: %w", err)
	}
	d := &bed{bench: b, subject: s, link: Link{folder: folder}}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.abandon())
		}
	}()
	if err := d.startGenerator(ctx); err != nil {
		return nil, err
	}
	d.running, err = s.start(ctx, b, d.link)
	return d, err
}

// startGenerator starts the generator. It returns once the subject can connect.
func (d *bed) startGenerator(ctx context.Context) error {
	results, out, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe for results: %w", err)
	}
	defer out.Close()
	d.results = json.NewDecoder(results)
	d.generator, err = start("the generator", out, nil, d.bench.config.Binary, "bench",
		"generate", "--serve",
		"--device", d.link.generatorDevice(), "--vip", service.String(), "--to", subjectMAC.String(), "--mac", generatorMAC.String(),
		"--cpu", fmt.Sprint(d.bench.config.GeneratorCPU), "--memory", fmt.Sprint(dpdkMemory))
	if err != nil {
		return err
	}
	return d.generator.await(ctx, "its end of the link was there", readyDeadline, func() bool {
		_, err := os.Stat(d.link.socket())
		return err == nil
	})
}

// trial has the generator run a trial.
func (d *bed) trial(ctx context.Context, t Trial) (Result, error) {
	t.Answer = t.Answer || d.subject.answers()
	if err := json.NewEncoder(d.generator.input).Encode(t); err != nil {
		return Result{}, fmt.Errorf("send a trial to the generator: %w; the end of its log:\n%s", err,
			d.generator.log.tail())
	}
	var r Result
	done := make(chan error, 1)
	go func() { done <- d.results.Decode(&r) }()
	select {
	case <-ctx.Done():
		return r, ctx.Err()
	case <-d.running.exited:
		return r, fmt.Errorf("%s ended (%v) during a trial; the end of its log:\n%s", d.subject.name(),
			d.running.outcome, d.running.log.tail())
	case err := <-done:
		if err != nil {
			return r, fmt.Errorf("read a trial's result: %w; the end of the generator's log:\n%s", err,
				d.generator.log.tail())
		}
		return r, nil
	}
}

// close ends both processes and returns the subject's report. The generator ends first: the subject
// runs without it, but not the other way round.
func (d *bed) close() (*control.Report, error) {
	err := errors.Join(d.running.stop(), d.generator.stop())
	r, reportErr := d.subject.report(d.link)
	return r, errors.Join(err, reportErr, d.remove())
}

// abandon ends what has been started.
func (d *bed) abandon() error {
	return errors.Join(d.running.stop(), d.generator.stop(), d.remove())
}

func (d *bed) remove() error {
	return errors.Join(d.subject.cleanUp(d.link), os.RemoveAll(d.link.folder))
}

// with runs f on a bed.
func (b *Bench) with(ctx context.Context, s subject, f func(*bed) error) (*control.Report, error) {
	d, err := b.newBed(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name(), err)
	}
	err = f(d)
	r, closeErr := d.close()
	if err := errors.Join(err, closeErr); err != nil {
		return r, fmt.Errorf("%s: %w", s.name(), err)
	}
	return r, nil
}
