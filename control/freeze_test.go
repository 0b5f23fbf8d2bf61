package control

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fulcrum/config"
)

// frozen freezes a running configuration.
func frozen(t *testing.T, r *Running) (thaw func()) {
	t.Helper()
	thaw, err := r.Freeze(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return thaw
}

// TestFreezeHoldsChanges: whatever changes something waits until thaw, and is done then. Readers do
// not wait, and the state folder stays as it is.
func TestFreezeHoldsChanges(t *testing.T) {
	folder := t.TempDir()
	c := parsePlanned(t, planned)
	r, s := kept(t, folder, c)
	defer s.Close()
	drained := ServerID{"web", "10.0.0.12:8080"}
	for _, d := range []DrainRequest{{}, {DeadlineSeconds: 1000}} {
		if _, err := r.Drain(t.Context(), drained, d); err != nil {
			t.Fatal(err)
		}
	}
	thaw := frozen(t, r)
	before, revision := fileIn(t, folder), revisionOf(r)
	ctx, id := t.Context(), ServerID{"web", "10.0.0.11:8080"}
	changes := map[string]func(context.Context) error{
		"weight":       func(ctx context.Context) error { _, err := r.ChangeRealServer(ctx, id, weightOf("7")); return err },
		"apply":        func(ctx context.Context) error { _, err := r.Apply(ctx, c, Application{}); return err },
		"rollback":     func(ctx context.Context) error { _, err := r.Rollback(ctx); return err },
		"drain":        func(ctx context.Context) error { _, err := r.Drain(ctx, id, DrainRequest{}); return err },
		"cancel drain": func(ctx context.Context) error { _, err := r.CancelDrain(ctx, drained); return err },
		"hosts":        func(ctx context.Context) error { return r.FollowHosts(ctx, []config.HostInterface{}) },
		"held":         func(ctx context.Context) error { return r.HoldVIPs(ctx, Held{netip.Addr{}: "a"}) },
		"verdicts":     func(ctx context.Context) error { return r.keepVerdicts(ctx) },
		"slow start":   func(ctx context.Context) error { r.stepSlowStarts(ctx); return ctx.Err() },
		"resume":       func(context.Context) error { r.ResumeDrains(Restored{}); return nil },
		"freeze": func(ctx context.Context) error {
			thaw, err := r.Freeze(ctx)
			if err == nil {
				thaw()
			}
			return err
		},
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	var waiting sync.WaitGroup
	for name, change := range changes {
		if name != "resume" { // it waits in any case
			waiting.Go(func() {
				if err := change(short); err == nil {
					t.Errorf("%s did not wait", name)
				}
			})
		}
	}
	waiting.Wait()
	if text := fileIn(t, folder); text != before || revisionOf(r) != revision || len(r.Drains()) != 1 {
		t.Errorf("the state is now\n%s\nrevision %s, %+v", text, revisionOf(r), r.Drains())
	}
	for name, change := range changes {
		waiting.Go(func() {
			if err := change(ctx); err != nil && !errors.Is(err, ErrNothingBefore) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	thaw()
	thaw() // has no effect
	waiting.Wait()
	if fileIn(t, folder) == before || revisionOf(r) == revision {
		t.Error("nothing was changed after the thaw")
	}
}

func revisionOf(r *Running) string {
	_, revision := r.Revision()
	return revision
}

func fileIn(t *testing.T, folder string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, stateName))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestFreezeHoldsTheEndOfADrain: a drain whose end comes while changes wait ends after the thaw,
// and not at all if its real server has got a weight by then.
func TestFreezeHoldsTheEndOfADrain(t *testing.T) {
	for _, weighted := range []bool{false, true} {
		r := newTestRunning(t, parsePlanned(t, planned))
		id := ServerID{"web", "10.0.0.11:8080"}
		thaw := frozen(t, r)
		d := &drain{request: DrainRequest{Remove: true}, cancel: func() {}}
		d.Service, d.RealServer, d.State = id.Service, id.Server, Draining
		r.drains.mu.Lock()
		r.drains.all[id] = d
		r.drains.mu.Unlock()
		var end sync.WaitGroup
		end.Go(func() { r.endDrain(t.Context(), id, d, DrainOver) })
		if got, err := r.DrainOf(id); err != nil || got.State != Draining {
			t.Errorf("%+v, %v", got, err)
		}
		if !weighted { // as Drain has done
			place, _ := r.find(id.Service)
			was := r.current.Services[place]
			next := was
			next.RealServers = append([]config.RealServer{}, was.RealServers...)
			next.RealServers[0].Weight = 0
			if _, err := r.put(&was, &next, place); err != nil { // the turn is the test's
				t.Fatal(err)
			}
		}
		thaw()
		end.Wait()
		got, err := r.DrainOf(id)
		if err != nil || got.Removed == weighted || (got.State == Cancelled) != weighted {
			t.Errorf("weighted %t: %+v, %v", weighted, got, err)
		}
	}
}

// TestFreezeAwaitsEndingSessions: sessions that are being ended are so before a freeze begins.
func TestFreezeAwaitsEndingSessions(t *testing.T) {
	r := newTestRunning(t, parsePlanned(t, planned))
	r.ending.begin()
	r.ending.begin()
	r.ending.end()
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.Freeze(short); !errors.Is(err, ErrAbandoned) {
		t.Errorf("%v", err)
	}
	if _, err := r.ChangeRealServer(t.Context(), ServerID{"web", "10.0.0.11:8080"}, weightOf("7")); err != nil {
		t.Errorf("a freeze that was abandoned holds the turn: %v", err)
	}
	go r.ending.end()
	frozen(t, r)()
}

// TestStateIsTakenOver: two processes have the folder, and a third one does not until both have
// closed it. What the former is writing stays.
func TestStateIsTakenOver(t *testing.T) {
	folder, log := t.TempDir(), slog.New(slog.DiscardHandler)
	former, err := OpenState(folder, log)
	if err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(folder, "."+stateName+"12345")
	if err := os.WriteFile(part, []byte("fulcrum-state 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	next, err := AdoptState(folder, lockOf(t, former), log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(part); err != nil {
		t.Error(err)
	}
	for _, s := range []*State{former, next} {
		if _, err := OpenState(folder, log); !errors.Is(err, ErrStateTaken) {
			t.Errorf("a third director has it: %v", err)
		}
		if err := s.write(func() *stored { return &stored{Revision: 7} }); err != nil {
			t.Error(err)
		}
		if got := next.read(); got == nil || got.Revision != 7 {
			t.Errorf("%+v", got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	third, err := OpenState(folder, log)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if _, err := os.Stat(part); !os.IsNotExist(err) {
		t.Errorf("the part is still there: %v", err)
	}
}

// lockOf returns what a child gets of a folder's lock.
func lockOf(t *testing.T, s *State) *os.File {
	t.Helper()
	f, err := s.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "passed on")
}

// TestStateOfAnotherFolder: a lock of another folder, or one that another process has, is refused,
// and closed.
func TestStateOfAnotherFolder(t *testing.T) {
	folder, log := t.TempDir(), slog.New(slog.DiscardHandler)
	s, err := OpenState(folder, log)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	opened, err := os.Open(filepath.Join(folder, lockName))
	if err != nil {
		t.Fatal(err)
	}
	other, err := OpenState(t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := AdoptState(folder, opened, log); !errors.Is(err, ErrStateTaken) {
		t.Errorf("%v, want ErrStateTaken", err)
	}
	passed := lockOf(t, other)
	for _, f := range []string{folder, t.TempDir()} {
		if _, err := AdoptState(f, passed, log); err == nil {
			t.Error("the lock of another folder was taken for this one's")
		}
		if err := passed.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("it is open still: %v", err)
		}
	}
}
