package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const stopDeadline = 20 * time.Second

// process is a program that the benchmark started. It dies at the latest with the thread that
// started it.
type process struct {
	name    string
	command *exec.Cmd
	input   io.WriteCloser // its standard input
	log     *transcript    // its standard error, or both outputs
	exited  chan struct{}
	outcome error // valid once exited is closed
}

// start starts a program. Its standard output goes to out, or else to the log as well. Without an
// environment it has this program's.
func start(
	name string, out io.Writer, environment []string, program string, arguments ...string,
) (*process, error) {
	p := &process{
		name: name, command: exec.Command(program, arguments...), log: new(transcript),
		exited: make(chan struct{}),
	}
	p.command.Stderr, p.command.Stdout, p.command.Env = p.log, out, environment
	if out == nil {
		p.command.Stdout = p.log
	}
	// A group of its own, so that Ctrl-C reaches only the benchmark, which then ends its processes in
	// order.
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var err error
	if p.input, err = p.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.outcome = p.command.Wait()
		close(p.exited)
	}()
	return p, nil
}

func (p *process) pid() int { return p.command.Process.Pid }

// await polls until a condition holds, the process ends, or ctx does.
func (p *process) await(ctx context.Context, what string, patience time.Duration, holds func() bool) error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); !holds(); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.exited:
			return fmt.Errorf("%s ended (%v) before %s; the end of its log:\n%s", p.name, p.outcome, what,
				p.log.tail())
		case <-ticker.C:
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s: not within %s: %s; the end of its log:\n%s", p.name, patience, what,
				p.log.tail())
		}
	}
	return nil
}

// stop ends the process by SIGTERM, or else by SIGKILL.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	p.input.Close()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil &&
		!errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	select {
	case <-p.exited:
	case <-time.After(stopDeadline):
		_ = p.command.Process.Kill() // it may just have ended
		<-p.exited
		return fmt.Errorf("stop %s: it ran for %s after SIGTERM and was killed", p.name, stopDeadline)
	}
	if p.outcome != nil && !p.terminated() {
		return fmt.Errorf("stop %s: it ended with %w; the end of its log:\n%s", p.name, p.outcome,
			p.log.tail())
	}
	return nil
}

// terminated reports whether the process ended by this very signal, as dpdk-testpmd does after
// cleaning up.
func (p *process) terminated() bool {
	status, ok := p.command.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGTERM
}

// transcript keeps the output of a process.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

// Write appends output (io.Writer).
func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

// String returns all output so far.
func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// tail returns the last lines.
func (t *transcript) tail() string {
	const most = 15
	lines := strings.Split(strings.TrimRight(t.String(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
