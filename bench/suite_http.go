package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fulcrum/control"
	"fulcrum/modes"
)

const (
	webMode        = modes.NAT // answers pass the director, and connections keep their ends
	webConnections = 64        // at a time
)

// webSubject is what stands between client and server.
type webSubject interface {
	name() string
	start(ctx context.Context, b *Bench, w *webSite, folder string) (*process, error)
	target() string // what clients ask
	report(l Link) (*control.Report, error)
	cleanUp(l Link) error
}

// webCase is a subject on a driver of the kernel's interfaces.
type webCase struct {
	driver string
	guard  bool // hide the director's packets from the kernel
	wire   bool // testpmd instead of the director
}

// webCases are all cases of the suite. A driver's wire comes first.
var webCases = []webCase{
	{driver: "af_packet", wire: true}, {driver: "af_packet"}, {driver: "af_packet", guard: true},
	{driver: "af_xdp", wire: true}, {driver: "af_xdp"},
}

func (c webCase) subject() webSubject {
	if c.wire {
		return webWire{driver: c.driver}
	}
	return webDirector{c}
}

// name is the name of the case's figure. The figure has the subject besides.
func (c webCase) name() string {
	if c.guard {
		return c.driver + ", guard"
	}
	return c.driver
}

// webRequests has real clients ask a real web server over the kernel's drivers, each request on a
// connection of its own: through the director, and with testpmd as a wire. All share the machine's
// CPUs.
func webRequests(ctx context.Context, b *Bench, s Scale, k *book) (err error) {
	w, err := newWebSite()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.serve(ctx, b); err != nil {
		return err
	}
	for i := range s.Repeats {
		b.logf("requests over kernel interfaces, run %d of %d", i+1, s.Repeats)
		for _, c := range webCases {
			if c.driver == "af_xdp" && !hasXDP() {
				b.logf("  %s: the kernel does not have it", c.driver)
				continue
			}
			if err := b.webRun(ctx, w, c, s.Duration, k); err != nil {
				return fmt.Errorf("%s on %s: %w", c.subject().name(), c.name(), err)
			}
		}
	}
	k.compareRequests()
	return nil
}

// hasXDP reports whether the kernel has AF_XDP sockets.
func hasXDP() bool {
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// serve starts the web server.
func (w *webSite) serve(ctx context.Context, b *Bench) (err error) {
	w.serving, err = startIn(w.server, "the web server", nil, b.config.Binary, "bench", "http-server",
		"--listen", webServerListen)
	if err != nil {
		return err
	}
	return w.serving.await(ctx, "it listened", readyDeadline, func() bool {
		return strings.Contains(w.serving.log.String(), httpServing)
	})
}

// webRun measures one case once.
func (b *Bench) webRun(
	ctx context.Context, w *webSite, c webCase, duration time.Duration, k *book,
) (err error) {
	folder, err := makeFolder()
	if err != nil {
		return fmt.Errorf("make a folder for the subject: %w", err)
	}
	l, s := Link{folder: folder}, c.subject()
	defer func() { err = errors.Join(err, s.cleanUp(l), os.RemoveAll(folder)) }()
	p, err := s.start(ctx, b, w, folder)
	if err != nil {
		return errors.Join(err, p.stop())
	}
	r, cpu, err := b.askThrough(ctx, w, p, s.target(), duration)
	if err = errors.Join(err, p.stop()); err != nil {
		return err
	}
	report, err := s.report(l)
	if err == nil {
		err = k.close(s.name(), report)
	}
	if err != nil {
		return err
	}
	return b.keepRequests(k, c, r, cpu)
}

// askThrough has clients ask through a subject, and returns what they counted and the CPU time that
// the subject took meanwhile.
func (b *Bench) askThrough(
	ctx context.Context, w *webSite, subject *process, target string, duration time.Duration,
) (r HTTPResult, cpu time.Duration, err error) {
	results, out, err := os.Pipe()
	if err != nil {
		return r, 0, fmt.Errorf("make a pipe for results: %w", err)
	}
	defer results.Close()
	p, err := startIn(w.client, "the clients", out, b.config.Binary, "bench", "http-client",
		"--server", target, "--connections", fmt.Sprint(webConnections),
		"--warmup", warmUp.String(), "--duration", duration.String())
	out.Close()
	if err != nil {
		return r, 0, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	decoder := json.NewDecoder(results)
	var times [2]time.Duration
	for i := range times {
		if err := decoder.Decode(&r); err != nil {
			return r, 0, fmt.Errorf("read a result of the clients: %w; the end of their log:\n%s", err,
				p.log.tail())
		}
		if times[i], err = subject.cpuTime(); err != nil {
			return r, 0, err
		}
	}
	return r, times[1] - times[0], ctx.Err()
}

// keepRequests keeps what a run gave. More than a few failed requests are an error.
func (b *Bench) keepRequests(k *book, c webCase, r HTTPResult, cpu time.Duration) error {
	if r.Answered == 0 || r.Failed > r.Answered/100 {
		return fmt.Errorf("%d requests were answered and %d failed", r.Answered, r.Failed)
	}
	subject := c.subject().name()
	perSecond := float64(r.Answered) / r.Seconds
	perRequest := float64(cpu.Nanoseconds()) / 1000 / float64(r.Answered)
	k.add(Figure{Subject: subject, Name: c.name(), Unit: unitRequests, Latency: &r.Latency}, perSecond)
	k.add(Figure{Subject: subject, Name: c.name() + ", CPU a request", Unit: unitMicros}, perRequest)
	b.logf("  %-8s %-18s %8.0f requests/s, %6.1f µs of its CPU time each", subject, c.name(), perSecond,
		perRequest)
	return nil
}

// compareRequests sets the rates of requests against those over testpmd's wire on the same driver.
func (k *book) compareRequests() {
	wires := map[string]float64{}
	for _, f := range k.figures {
		driver, _, _ := strings.Cut(f.Name, ",")
		switch {
		case f.Unit != unitRequests:
		case f.Subject == baselineName:
			wires[driver] = f.Median
		case wires[driver] > 0:
			f.Ratio = f.Median / wires[driver]
		}
	}
}

// webDirector is the director between client and server.
type webDirector struct{ webCase }

func (webDirector) name() string   { return webMode.String() }
func (webDirector) target() string { return webService }

func (d webDirector) start(
	ctx context.Context, b *Bench, w *webSite, folder string,
) (*process, error) {
	l := Link{folder: folder}
	file := filepath.Join(folder, "director.toml")
	text := d.file(b.config.SubjectCPU, controlSocket(l))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write the director's configuration: %w", err)
	}
	p, err := startIn(w.subject, "the director", nil, b.config.Binary, "run", "--config", file,
		"--report", director{}.reportFile(l))
	if err != nil {
		return nil, err
	}
	return p, p.await(ctx, "it was ready", readyDeadline, func() bool {
		return strings.Contains(p.log.String(), "director ready")
	})
}

// file writes the configuration: two arms, one service.
func (d webDirector) file(cpu int, control string) string {
	port := func(name, address string) string {
		return fmt.Sprintf("[[port]]\nname = %q\ndevice = %q\naddresses = [\"%s/24\"]\nguard = %t\n\n",
			name, webDevice(d.driver, name), address, d.guard)
	}
	return fmt.Sprintf("[director]\nworkers = [%d]\nlog = \"warn\"\ncontrol = %q\n\n", cpu, control) +
		fmt.Sprintf("[dpdk]\nhugepages = \"auto\"\nmemory = \"%dMiB\"\n\n", dpdkMemory) +
		port(webFrontInterface, webFront) + port(webBackInterface, webBack) +
		fmt.Sprintf("[[service]]\nname = \"web\"\naddress = %q\nprotocol = \"tcp\"\n", webService) +
		fmt.Sprintf("mode = %q\nscheduler = \"rr\"\n\n", webMode) +
		fmt.Sprintf("  [[service.real_server]]\n  address = %q\n", webRealServer)
}

func (webDirector) report(l Link) (*control.Report, error) { return director{}.report(l) }
func (webDirector) cleanUp(Link) error                     { return nil }

// webWire is testpmd as a wire: what comes in on one interface goes out on the other, as it is.
type webWire struct {
	testpmd
	driver string
}

func (webWire) target() string { return webServerBeyondWire }

func (t webWire) start(
	ctx context.Context, b *Bench, w *webSite, folder string,
) (*process, error) {
	devices := []string{webDevice(t.driver, webFrontInterface), webDevice(t.driver, webBackInterface)}
	arguments := b.testpmdArguments(Link{folder: folder}, devices, "--forward-mode=io")
	p, err := startIn(w.subject, "dpdk-testpmd", nil, "stdbuf", arguments...)
	if err != nil {
		return nil, err
	}
	return p, p.await(ctx, "it was ready", readyDeadline, func() bool {
		return strings.Contains(p.log.String(), testpmdReady)
	})
}
