package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Successor is a process that takes over from this one. One goroutine at a time may call its
// methods.
type Successor struct {
	*channel
	process *exec.Cmd // nil for one within this process
}

// Start starts a program as the successor, with the arguments of this process, and passes files on.
// Their copies here stay the caller's. The process writes to standard output and standard error as
// this one does.
func Start(program string, files Files) (*Successor, error) {
	own, other, err := pair()
	if err != nil {
		return nil, err
	}
	defer other.Close()
	names := []string{channelName}
	c := exec.Command(program, os.Args[1:]...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.ExtraFiles = []*os.File{other}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		names, c.ExtraFiles = append(names, name), append(c.ExtraFiles, files[name])
	}
	c.Env = environment(os.Environ(), strings.Join(names, "\n"))
	if err := c.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the successor: %w", err), own.Close())
	}
	return &Successor{newChannel(own), c}, nil
}

// environment returns that of the successor. systemd's watchdog is for it as soon as it is the
// unit's main process, so that it must not name another process (sd_watchdog_enabled(3)).
func environment(own []string, names string) []string {
	own = slices.DeleteFunc(slices.Clone(own), func(v string) bool {
		return strings.HasPrefix(v, "WATCHDOG_PID=") || strings.HasPrefix(v, Variable+"=")
	})
	return append(own, Variable+"="+names)
}

// Process returns the number of its process; this one's if it is within this process.
func (s *Successor) Process() int {
	if s.process == nil {
		return os.Getpid()
	}
	return s.process.Process.Pid
}

// Offer sends the offer.
func (s *Successor) Offer(o Offer) error {
	o.Version, o.Process = Version, os.Getpid()
	return s.explain(s.out.Encode(o))
}

// AwaitWarm waits until the successor is ready to take over. An error says why it will not.
func (s *Successor) AwaitWarm(ctx context.Context) error {
	_, err := s.await(ctx, warm)
	return err
}

// Yield says that the successor may have everything now.
func (s *Successor) Yield() error { return s.explain(s.out.Encode(message{Step: yours})) }

// AwaitForwarding waits until the successor forwards packets. It returns what that says of its
// start.
func (s *Successor) AwaitForwarding(ctx context.Context) (report json.RawMessage, err error) {
	m, err := s.await(ctx, forwarding)
	return m.Report, err
}

func (s *Successor) await(ctx context.Context, want step) (message, error) {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	m, err := s.channel.await(want)
	if ctx.Err() != nil {
		err = fmt.Errorf("wait for %q: %w", want, context.Cause(ctx))
	}
	return m, s.explain(err)
}

// explain adds how a process has ended.
func (s *Successor) explain(err error) error {
	gone := errors.Is(err, io.EOF) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET)
	if s.process == nil || !gone {
		return err
	}
	_ = s.process.Wait() // its status says it
	return fmt.Errorf("the successor has ended (%s); its last lines in the log say why: %w",
		s.process.ProcessState, err)
}

// Abandon ends a successor that is not to take over.
func (s *Successor) Abandon() error {
	err := s.conn.Close()
	if s.process == nil {
		return err
	}
	_ = s.process.Process.Kill() // it may have ended
	_ = s.process.Wait()         // its status is of no interest
	return err
}

// Release lets a successor that has taken over go its way.
func (s *Successor) Release() error {
	err := s.conn.Close()
	if s.process != nil {
		err = errors.Join(err, s.process.Process.Release())
	}
	return err
}
