package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fulcrum/control"
	"fulcrum/modes"
)

// subject is the program under test, at the other end of the link.
type subject interface {
	// name is its name in tables.
	name() string
	// start starts it, and returns once packets flow.
	start(ctx context.Context, b *Bench, l Link) (*process, error)
	// answers reports whether real servers' answers pass it.
	answers() bool
	// report returns its report after its end, or nil if it makes none.
	report(l Link) (*control.Report, error)
	// cleanUp removes what it left outside the link's folder.
	cleanUp(l Link) error
}

// readyDeadline bounds the start of a subject. A hundred million sessions take their time.
const readyDeadline = 2 * time.Minute

// director is fulcrum run.
type director struct {
	mode     modes.Mode
	sessions int
	timeout  time.Duration // of idle sessions; 0 is IPVS's
	device   string        // instead of the link
	profile  string        // file for a CPU profile
	silent   bool          // real servers do not answer
	crowd    int           // further real servers without traffic
	six      bool          // everything is IPv6
	// beside is a director that is not measured. It uses the generator's CPU from time to time.
	beside bool
}

func (d director) name() string  { return d.mode.String() }
func (d director) answers() bool { return d.mode.TwoWay() && !d.silent }

func (d director) start(ctx context.Context, b *Bench, l Link) (*process, error) {
	c := directorConfig{
		device: l.subjectDevice(), cpu: b.config.SubjectCPU, idle: "busy", memory: dpdkMemory,
		mode: d.mode, sessions: d.sessions, timeout: d.timeout, control: controlSocket(l), crowd: d.crowd,
		six: d.six, more: b.moreCPUs(l),
	}
	if d.device != "" {
		c.device = d.device
	}
	if d.beside {
		c.cpu, c.idle = b.config.GeneratorCPU, "adaptive"
	}
	file := filepath.Join(l.folder, "director.toml")
	if err := os.WriteFile(file, []byte(c.file()), 0o600); err != nil {
		return nil, fmt.Errorf("write the director's configuration: %w", err)
	}
	arguments := []string{"run", "--config", file, "--report", d.reportFile(l)}
	if d.profile != "" {
		arguments = append(arguments, "--cpu-profile", d.profile)
	}
	p, err := start("the director", io.Discard, l.environment(), b.config.Binary, arguments...)
	if err != nil {
		return nil, err
	}
	return p, p.await(ctx, "it was ready", readyDeadline, func() bool {
		return strings.Contains(p.log.String(), "director ready")
	})
}

func (d director) cleanUp(Link) error { return nil }

func controlSocket(l Link) string { return filepath.Join(l.folder, "control.sock") }

func (d director) reportFile(l Link) string { return filepath.Join(l.folder, "director.json") }

func (d director) report(l Link) (*control.Report, error) {
	text, err := os.ReadFile(d.reportFile(l))
	if err != nil {
		return nil, fmt.Errorf("read the director's report: %w", err)
	}
	r := new(control.Report)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read the director's report: %w", err)
	}
	return r, nil
}

// testpmd is DPDK's own forwarding program. It exchanges MAC addresses and does nothing else: its
// rate is the most that the link and one CPU reach.
type testpmd struct{}

func (testpmd) name() string  { return "testpmd" }
func (testpmd) answers() bool { return false }

func (testpmd) start(ctx context.Context, b *Bench, l Link) (*process, error) {
	arguments := b.testpmdArguments(l, []string{l.subjectDevice()}, "--forward-mode=mac",
		fmt.Sprintf("--eth-peer=0,%s", generatorMAC))
	p, err := start("dpdk-testpmd", nil, l.environment(), "stdbuf", arguments...)
	if err != nil {
		return nil, fmt.Errorf("%w; install Debian's package dpdk-dev", err)
	}
	return p, p.await(ctx, "it was ready", readyDeadline, func() bool {
		return strings.Contains(p.log.String(), testpmdReady)
	})
}

// testpmdReady is in testpmd's log once it forwards.
const testpmdReady = "Press enter to exit"

// testpmdArguments returns the arguments of stdbuf that start testpmd on these devices. Without
// stdbuf its output would stay in a buffer.
func (b *Bench) testpmdArguments(l Link, devices []string, forwarding ...string) []string {
	more := b.moreCPUs(l)
	lcores := fmt.Sprintf("--lcores=0@%d,1@%d", b.config.GeneratorCPU, b.config.SubjectCPU)
	for i, cpu := range more {
		lcores += fmt.Sprintf(",%d@%d", 2+i, cpu)
	}
	arguments := []string{
		"--output=L", "dpdk-testpmd", lcores,
		"--no-pci", "--no-telemetry", "--file-prefix=" + testpmdPrefix(l),
		"-m", strconv.Itoa(dpdkMemory),
	}
	for _, d := range devices {
		arguments = append(arguments, "--vdev="+d)
	}
	if b.huge() {
		arguments = append(arguments, "--in-memory")
	} else {
		arguments = append(arguments, "--no-huge", "--no-shconf")
	}
	arguments = append(append(arguments, "--"), forwarding...)
	return append(arguments, "--burst=64",
		fmt.Sprintf("--rxd=%d", descriptors), fmt.Sprintf("--txd=%d", descriptors),
		"--total-num-mbufs=8192", "--no-lsc-interrupt", fmt.Sprintf("--nb-cores=%d", 1+len(more)),
		fmt.Sprintf("--rxq=%d", 1+len(more)), fmt.Sprintf("--txq=%d", 1+len(more)))
}

func testpmdPrefix(l Link) string { return filepath.Base(l.folder) }

func (testpmd) report(Link) (*control.Report, error) { return nil, nil }

func (testpmd) cleanUp(l Link) error {
	return os.RemoveAll(filepath.Join("/var/run/dpdk", testpmdPrefix(l)))
}
