package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// breakpoint is the function that holds the breakpoint's instruction; runtime.Breakpoint calls it.
const breakpoint = "runtime.breakpoint"

// tracer executes one thread of a process instruction by instruction, while all other threads of
// the process stand still. So nothing disturbs it, neither the garbage collector nor the scheduler.
// All methods are for the thread that started the process, which traces it (ptrace(2)).
type tracer struct {
	command *exec.Cmd
	pid     int
	thread  int         // that is stepped
	forget  func() bool // stops watching over the context
}

// trace starts a program that stops at breakpoints. It returns at the first one, when all threads
// stand still.
func trace(ctx context.Context, c *exec.Cmd) (*tracer, error) {
	c.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start %s to be traced: %w", c.Path, err)
	}
	t := &tracer{command: c, pid: c.Process.Pid, thread: c.Process.Pid}
	t.forget = context.AfterFunc(ctx, func() { _ = c.Process.Kill() }) // every wait then fails
	err := t.wait(t.pid)
	if err == nil {
		err = unix.PtraceSetOptions(t.pid,
			unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACEEXIT|unix.PTRACE_O_EXITKILL)
	}
	if err == nil {
		err = t.awaitBreakpoint()
	}
	if err == nil {
		err = t.freeze()
	}
	if err != nil {
		t.kill()
		return nil, fmt.Errorf("trace %s: %w", c.Path, err)
	}
	return t, nil
}

// wait waits until a thread stands still.
func (t *tracer) wait(thread int) error {
	status, _, err := t.waitAny(thread)
	if err == nil && !status.Stopped() {
		err = fmt.Errorf("the process ended: status %#x", status)
	}
	return err
}

// waitAny waits for a thread, or with -1 for any, but for no child of another thread of this
// program.
func (t *tracer) waitAny(thread int) (status unix.WaitStatus, which int, err error) {
	for {
		which, err = unix.Wait4(thread, &status, unix.WALL|unix.WNOTHREAD, nil)
		if !errors.Is(err, unix.EINTR) {
			return status, which, err
		}
	}
}

// awaitBreakpoint lets all threads run until one meets a breakpoint.
func (t *tracer) awaitBreakpoint() error {
	thread, signal := t.pid, 0
	for {
		if err := unix.PtraceCont(thread, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
		status, which, err := t.waitAny(-1)
		switch {
		case err != nil:
			return err
		case which == t.pid && !status.Stopped():
			return fmt.Errorf("it ended before the first breakpoint: status %#x", status)
		case isBreakpoint(status):
			t.thread = which
			return nil
		}
		thread, signal = which, 0
		// A new thread begins with a SIGSTOP of the tracer's. Other signals are the program's.
		if s := status.StopSignal(); status.Stopped() && s != unix.SIGTRAP && s != unix.SIGSTOP {
			signal = int(s)
		}
	}
}

// freeze stops all threads but the one at the breakpoint.
func (t *tracer) freeze() error {
	threads, err := t.threads()
	if err != nil {
		return err
	}
	for _, thread := range threads {
		if thread == t.thread {
			continue
		}
		err := unix.Tgkill(t.pid, thread, unix.SIGSTOP)
		if err == nil {
			err = t.wait(thread)
		}
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("stop thread %d: %w", thread, err)
		}
	}
	return nil
}

// threads returns the threads of the process.
func (t *tracer) threads() (list []int, err error) {
	tasks, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(t.pid), "task"))
	for _, task := range tasks {
		if thread, err := strconv.Atoi(task.Name()); err == nil {
			list = append(list, thread)
		}
	}
	return list, err
}

// run lets the thread run to its next breakpoint.
func (t *tracer) run() error {
	for {
		if err := unix.PtraceCont(t.thread, 0); err != nil {
			return err
		}
		if status, err := t.stopped(); err != nil || isBreakpoint(status) {
			return err
		}
	}
}

// isBreakpoint reports whether a thread stands at a breakpoint, or has executed a single
// instruction. The traps of new threads have a cause.
func isBreakpoint(status unix.WaitStatus) bool {
	return status.Stopped() && status.StopSignal() == unix.SIGTRAP && status.TrapCause() == 0
}

// stopped waits until the thread stands still. Signals are kept from it: the runtime's only ask it
// to make way for others.
func (t *tracer) stopped() (unix.WaitStatus, error) {
	status, _, err := t.waitAny(t.thread)
	switch {
	case err != nil:
		return status, err
	case !status.Stopped() || status.TrapCause() == unix.PTRACE_EVENT_EXIT:
		return status, fmt.Errorf("the process ended: status %#x", status)
	case status.StopSignal() == unix.SIGSEGV || status.StopSignal() == unix.SIGILL:
		return status, fmt.Errorf("the program failed: %v", status.StopSignal())
	}
	return status, nil
}

// count executes the thread up to its next breakpoint and counts its instructions.
func (t *tracer) count(to *tally) error {
	var r unix.PtraceRegs
	for begun := false; ; {
		if err := unix.PtraceGetRegs(t.thread, &r); err != nil {
			return err
		}
		at := to.symbols.at(r.Rip) == breakpoint
		switch {
		case at && begun:
			return nil
		case !at:
			begun = true
			to.add(r.Rip, r.Rsp)
		}
		if err := unix.PtraceSingleStep(t.thread); err != nil {
			return err
		}
		if _, err := t.stopped(); err != nil {
			return err
		}
	}
}

// kill ends the process.
func (t *tracer) kill() {
	t.forget()
	_ = t.command.Process.Kill() // it may just have ended
	for {
		status, which, err := t.waitAny(-1)
		if err != nil || which == t.pid && !status.Stopped() {
			break
		}
		_ = unix.PtraceCont(which, 0) // on its way out, where every thread stops once more
	}
	_ = t.command.Wait() // it has been waited for; this ends the reading of its output
}

// countTurns counts the instructions of a process that runs RunTurns, and ends it. It gives up when
// ctx ends.
func countTurns(ctx context.Context, c *exec.Cmd, to *tally) error {
	t, err := trace(ctx, c)
	if err != nil {
		return err
	}
	defer t.kill()
	if err = t.run(); err == nil {
		err = t.count(to)
	}
	if err != nil {
		return fmt.Errorf("trace %s: %w", c.Path, err)
	}
	return nil
}
