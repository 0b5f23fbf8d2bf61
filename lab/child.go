package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Bounds of a child's start and end.
const (
	readyDeadline = 20 * time.Second
	stopDeadline  = 10 * time.Second
)

// A nursery starts all children of a lab from one OS thread. A child's parent-death signal comes
// when that thread ends, which is when the nursery closes or the process dies.
type nursery struct{ orders chan func() }

func newNursery() *nursery {
	n := &nursery{orders: make(chan func())}
	go n.run()
	return n
}

func (n *nursery) run() {
	runtime.LockOSThread()
	for order := range n.orders {
		order()
	}
}

// start starts a program inside a namespace.
func (n *nursery) start(ns namespace, program *exec.Cmd) error {
	done := make(chan error)
	n.orders <- func() { done <- ns.visit(program.Start) }
	return <-done
}

func (n *nursery) close() { close(n.orders) }

// A child is a program of the lab in one of its namespaces. It writes to a file, because it may
// outlive this process.
type child struct {
	Process
	log     string
	handle  *os.Process
	exited  chan struct{}
	outcome error // valid once exited is closed
}

// startChild starts a program and waits until its output has a phrase.
func (l *Lab) startChild(ctx context.Context, role, ready string, arguments ...string) (*child, error) {
	c, err := l.spawn(role, arguments)
	if err != nil {
		return nil, fmt.Errorf("starting %s in namespace %s: %w", role, l.namespace(role), err)
	}
	return c, poll(ctx, readyDeadline, func() (bool, error) { return c.said(ready) },
		role+" to get ready")
}

func (l *Lab) spawn(role string, arguments []string) (*child, error) {
	log, err := os.Create(l.file(role + ".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	program := exec.Command(l.config.Binary, arguments...)
	program.Stderr = log
	program.SysProcAttr = l.childAttributes()
	if program.Stdout, err = l.output(role); err != nil {
		return nil, err
	}
	defer program.Stdout.(*os.File).Close()
	if err := l.nursery.start(l.namespace(role), program); err != nil {
		return nil, err
	}
	return l.adopt(role, log.Name(), program)
}

func (l *Lab) output(role string) (*os.File, error) { return os.Create(l.file(role + ".out")) }

// childAttributes give every child a process group of its own. So Ctrl-C reaches only this process,
// which then ends the children in order.
func (l *Lab) childAttributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if !l.config.Outlive {
		attributes.Pdeathsig = syscall.SIGKILL
	}
	return attributes
}

// adopt records the child before anything can fail.
func (l *Lab) adopt(role, log string, program *exec.Cmd) (*child, error) {
	process, err := identify(role, program.Process.Pid)
	c := &child{Process: process, log: log, handle: program.Process, exited: make(chan struct{})}
	go func() {
		c.outcome = program.Wait()
		close(c.exited)
	}()
	l.children[role] = c
	if err != nil {
		return nil, err
	}
	return c, l.record.addChild(process)
}

// said reports whether the child's log has a phrase. A child that ended without it is an error.
func (c *child) said(phrase string) (bool, error) {
	// This comes first: the log of a child that has gone is complete.
	gone := c.gone()
	text, err := os.ReadFile(c.log)
	if err != nil {
		return false, fmt.Errorf("reading the log of %s: %w", c.Role, err)
	}
	if bytes.Contains(text, []byte(phrase)) {
		return true, nil
	}
	if gone {
		return false, fmt.Errorf("%s ended (%v) before it logged %q; the end of its log:\n%s", c.Role,
			c.outcome, phrase, lastLines(string(text)))
	}
	return false, nil
}

func (c *child) gone() bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

// stop ends the child with SIGTERM, or else with SIGKILL. An exit status other than 0 is an error.
func (c *child) stop() error {
	if err := c.askToEnd(); err != nil {
		return err
	}
	select {
	case <-c.exited:
		if c.outcome != nil {
			return fmt.Errorf("stopping %s (process %d): it ended with %w", c.Role, c.PID, c.outcome)
		}
		return nil
	case <-time.After(stopDeadline):
		return errors.Join(fmt.Errorf("stopping %s (process %d): still there %s after SIGTERM, killed",
			c.Role, c.PID, stopDeadline), c.kill())
	}
}

// kill ends the child with SIGKILL.
func (c *child) kill() error {
	if err := c.handle.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s (process %d): %w", c.Role, c.PID, err)
	}
	<-c.exited
	return nil
}

// Log returns the last lines that a child ("director", "rs1", ...) wrote to stderr.
func (l *Lab) Log(role string) string {
	text, err := os.ReadFile(l.file(role + ".log"))
	if err != nil {
		return ""
	}
	return lastLines(string(text))
}

// lastLines returns as many lines as fit a terminal.
func lastLines(text string) string {
	const most = 20
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

func (l *Lab) file(name string) string { return filepath.Join(l.record.folder(), name) }
