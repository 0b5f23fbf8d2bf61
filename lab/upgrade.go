package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// UpgradeDirector has the director hand over to a process of the same program, and returns once the
// old process has ended.
func (l *Lab) UpgradeDirector(ctx context.Context) error {
	before := l.children[roleDirector]
	if before == nil || before.gone() {
		return errors.New("upgrading the director: it does not run")
	}
	command := exec.CommandContext(ctx, l.config.Binary, "upgrade", "--socket", l.ControlSocket(),
		"--output", "json", l.config.Binary)
	text, err := command.Output()
	if err != nil {
		return fmt.Errorf("upgrading the director: %w: %s; the end of its log:\n%s", err, complaint(err),
			l.Log(roleDirector))
	}
	var after struct {
		Process int `json:"process"`
	}
	if err := json.Unmarshal(text, &after); err != nil {
		return fmt.Errorf("upgrading the director: %w", err)
	}
	if _, err := l.adoptStranger(roleDirector, before.log, after.Process); err != nil {
		return err
	}
	select {
	case <-before.exited:
	case <-ctx.Done():
		return ctx.Err()
	}
	if before.outcome != nil {
		return fmt.Errorf("the director before its successor ended with %w", before.outcome)
	}
	return nil
}

// complaint returns what a command has written to standard error.
func complaint(err error) string {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(exit.Stderr)
	}
	return ""
}

// adoptStranger records a process that a child has started. Its exit status is not known.
func (l *Lab) adoptStranger(role, log string, pid int) (*child, error) {
	process, err := identify(role, pid)
	if err != nil {
		return nil, err
	}
	handle, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	c := &child{Process: process, log: log, handle: handle, exited: make(chan struct{})}
	go func() {
		defer close(c.exited)
		defer unix.Close(fd)
		c.outcome = awaitEnd(fd)
	}()
	l.children[role] = c
	return c, l.record.addChild(process)
}

// awaitEnd returns once the process of a descriptor has ended.
func awaitEnd(fd int) error {
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
	}
}
