package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Exec runs a program, without a shell. Status 0 is good. 1 is bad, and so are all others, unless
// Dynamic says that 2 to 255 are good and ask for the weight status - 2, as keepalived's
// misc_dynamic does.
type Exec struct {
	Command []string // the program's path and its arguments
	Env     []string // "NAME=value"; besides, SERVER and PORT say what to check
	User    *syscall.Credential
	Dynamic bool
}

// mostRunning bounds how many programs run at a time.
var mostRunning = make(chan struct{}, 32)

// execDelay is how long a program that was ended may keep its output open.
const execDelay = 100 * time.Millisecond

func (e *Exec) run(ctx context.Context, to Target, t *trace) (string, error) {
	select {
	case mostRunning <- struct{}{}:
		defer func() { <-mostRunning }()
	case <-ctx.Done():
		return "", errors.New("too many programs run already")
	}
	output := &head{left: mostOutput}
	err := e.command(ctx, to, output).Run()
	saw := strings.TrimSpace(output.text.String())
	var status *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", errors.New("the program was ended")
	case err == nil:
		t.step("run", "status 0")
		return saw, nil
	case !errors.As(err, &status):
		return "", err
	}
	t.step("run", "status %d", status.ExitCode())
	if code := status.ExitCode(); e.Dynamic && code >= 2 {
		t.asks(code - 2)
		return fmt.Sprintf("weight %d", code-2), nil
	}
	return "", errors.New(strings.TrimSuffix(status.String()+": "+saw, ": "))
}

// command returns the program. It has a process group of its own, so that all of it can be ended.
func (e *Exec) command(ctx context.Context, to Target, output *head) *exec.Cmd {
	c := exec.CommandContext(ctx, e.Command[0], e.Command[1:]...)
	c.Env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		"SERVER=" + to.Address.Addr().String(), fmt.Sprintf("PORT=%d", to.Address.Port()),
	}, e.Env...)
	c.Dir = "/"
	c.Stdout, c.Stderr, c.WaitDelay = output, output, execDelay
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: e.User}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	return c
}

// mostOutput is how much of a program's output is kept, in bytes.
const mostOutput = 200

// head keeps the first bytes that are written to it.
type head struct {
	text bytes.Buffer
	left int
}

func (h *head) Write(b []byte) (int, error) {
	n := min(h.left, len(b))
	h.left -= n
	h.text.Write(b[:n])
	return len(b), nil
}
