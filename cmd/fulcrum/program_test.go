package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fulcrum/lab"
)

// patience is far longer than anything here takes on a busy machine with two CPUs.
const patience = 60 * time.Second

// eventually polls until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// output collects what a program writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// program is fulcrum in a process of its own.
type program struct {
	t              *testing.T
	command        *exec.Cmd
	stdout, stderr output
	exited         chan struct{}
}

// newProgram prepares fulcrum with arguments. The process dies with the test.
func newProgram(t *testing.T, arguments ...string) *program {
	p := &program{t: t, command: exec.Command(ownBinary(t), arguments...), exited: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = &p.stdout, &p.stderr
	p.command.SysProcAttr = &syscall.SysProcAttr{}
	return p
}

// start starts the program.
func (p *program) start() *program {
	p.t.Helper()
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	return p.adopt()
}

// adopt waits for the end of a program that has been started.
func (p *program) adopt() *program {
	go func() {
		_ = p.command.Wait() // end returns the status
		close(p.exited)
	}()
	p.t.Cleanup(p.kill)
	return p
}

// kill ends the program as a crash would, and removes what it leaves behind.
func (p *program) kill() {
	_ = p.command.Process.Kill() // it may have ended
	<-p.exited
	for _, path := range p.leftovers() {
		os.RemoveAll(path)
	}
}

// end waits for the program's end and returns its exit status.
func (p *program) end() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("%v still runs after %s:\n%s", p.command.Args[1:], patience, p.stderr.String())
	}
	return p.command.ProcessState.ExitCode()
}

func (p *program) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// awaitReady waits until packets flow.
func (p *program) awaitReady() *program {
	p.t.Helper()
	eventually(p.t, "director ready", func() bool {
		if p.gone() {
			p.t.Fatalf("it ended with status %d before it was ready:\n%s", p.end(), p.stderr.String())
		}
		return strings.Contains(p.stderr.String(), "director ready")
	})
	return p
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.command.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// leftovers returns the program's files in DPDK's runtime directory.
func (p *program) leftovers() []string {
	paths, err := filepath.Glob(fmt.Sprintf("/var/run/dpdk/fulcrum-%d-*", p.command.Process.Pid))
	if err != nil {
		p.t.Error(err)
	}
	return paths
}

func (p *program) checkNothingLeft() {
	p.t.Helper()
	if left := p.leftovers(); len(left) > 0 {
		p.t.Errorf("left behind: %v", left)
	}
}

// lastLine returns the line in which a failed program prints the reason.
func (p *program) lastLine() string {
	lines := strings.Split(strings.TrimSuffix(p.stderr.String(), "\n"), "\n")
	return lines[len(lines)-1]
}

// complaints returns the lines of stderr that are not log lines.
func (p *program) complaints() []string {
	var list []string
	for line := range strings.Lines(p.stderr.String()) {
		if !strings.HasPrefix(line, "time=") {
			list = append(list, strings.TrimSuffix(line, "\n"))
		}
	}
	return list
}

// writeFile writes a file of the test and returns its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// readReport reads a director's report and checks the conservation law.
func readReport(t *testing.T, path string) *lab.Report {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := &lab.Report{}
	if err := json.Unmarshal(data, r); err != nil {
		t.Fatal(err)
	}
	if err := r.Conserved(); err != nil {
		t.Error(err)
	}
	return r
}
