package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"fulcrum/config"
)

// kept returns a director that keeps its state in a folder.
func kept(t tester, folder string, c *config.Config) (*Running, *State) {
	s, err := OpenState(folder, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	back := s.Restore(c)
	r := newTestRunning(t, back.Config)
	r.Keep(s, back)
	r.ResumeDrains(back)
	return r, s
}

// TestStateIsWhatRuns makes any sequence of changes, reloads and rollbacks. After each, the
// services that are noted as overridden are those that differ from the file, and a director that
// starts anew runs the same.
func TestStateIsWhatRuns(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		if err := os.Remove(filepath.Join(folder, stateName)); err != nil && !os.IsNotExist(err) {
			rt.Fatal(err)
		}
		file := parsePlanned(t, planned)
		r, s := kept(rt, folder, file)
		for range rapid.IntRange(1, 15).Draw(rt, "changes") {
			switch rapid.IntRange(0, 6).Draw(rt, "kind") {
			case 0:
				file = drawFile(rt, t)
				how := Application{Precedence: rapid.SampledFrom([]Precedence{
					FileIfChanged, KeepOverrides, DropOverrides}).Draw(rt, "precedence")}
				if _, err := r.Apply(context.Background(), file, how); err != nil {
					rt.Fatal(err)
				}
			case 1:
				_, _ = r.Rollback(context.Background())
			case 2:
				name := rapid.SampledFrom([]string{"", "web", "dns"}).Draw(rt, "reset")
				_, _ = r.ResetOverrides(context.Background(), OverrideTarget{Service: name})
			default:
				_, _ = drawEdit(rt, r)
			}
			now := r.now()
			if want := overriddenServices(now.file, now.config); !maps.Equal(r.overridden, want) {
				rt.Fatalf("overridden %v, want %v", r.overridden, want)
			}
		}
		r.isConsistent(rt)
		again := s.Restore(r.now().file)
		if got, want := sorted(again.Config), sorted(r.Config()); got != want {
			rt.Fatalf("restored\n%s\nwant\n%s", got, want)
		}
		if err := s.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

// drawFile returns another version of the file.
func drawFile(rt *rapid.T, t *testing.T) *config.Config {
	text := planned
	for _, change := range [][2]string{
		{"weight = 2", "weight = 3"}, {`scheduler = "rr"`, `scheduler = "lc"`},
		{`scheduler = "wlc"`, `scheduler = "wrr"`}, {"10.0.0.11:8080", "10.0.0.14:8080"},
		{`"tcp 10.0.0.110:80", `, ""},
	} {
		if rapid.Bool().Draw(rt, change[0]) {
			text = strings.Replace(text, change[0], change[1], 1)
		}
	}
	return parsePlanned(t, text)
}

// sorted returns a configuration's text with its services in the order of their addresses, and
// their real servers too. Overrides do not keep an order.
func sorted(c *config.Config) string {
	n := c.Clone()
	sortServices(n.Services)
	return n.Render()
}

// TestStateOnAFullDisk: a change is made although it cannot be kept, and that is said. Once there
// is room, the next change keeps all.
func TestStateOnAFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to mount a small file system")
	}
	folder := t.TempDir()
	if err := unix.Mount("tmpfs", folder, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	r, s := kept(t, folder, parsePlanned(t, planned))
	t.Cleanup(func() { s.Close() })
	id := ServerID{"web", "10.0.0.11:8080"}
	if _, err := r.ChangeRealServer(t.Context(), id, weightOf("4")); err != nil {
		t.Fatal(err)
	}
	full := filepath.Join(folder, "full")
	if err := os.WriteFile(full, make([]byte, 60<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, err := r.ChangeRealServer(t.Context(), id, weightOf("5"))
	if err != nil || len(plan.Changes) != 1 || len(plan.Warnings) != 1 ||
		!strings.Contains(plan.Warnings[0], syscall.ENOSPC.Error()) {
		t.Errorf("%+v, %v", plan, err)
	}
	other := ServerID{"web", "10.0.0.12:8080"}
	d, err := r.Drain(t.Context(), other, DrainRequest{DeadlineSeconds: 1000})
	if err != nil || !strings.Contains(d.Problem, syscall.ENOSPC.Error()) {
		t.Errorf("%+v, %v", d, err)
	}
	back := 2
	if _, err := r.ChangeRealServer(t.Context(), other, RealServerChange{Weight: &back}); err != nil {
		t.Error(err)
	}
	if !strings.Contains(r.StateProblem(), syscall.ENOSPC.Error()) || !r.standing().stateFailed {
		t.Errorf("the problem is %q", r.StateProblem())
	}
	if got := overridesOf(parsePlanned(t, planned), s.Restore(parsePlanned(t, planned)).Config); len(got) != 1 || got[0].Running != "4" {
		t.Errorf("the former state is %v", got)
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	plan, err = r.ChangeRealServer(t.Context(), id, weightOf("6"))
	if err != nil || len(plan.Warnings) != 0 || r.StateProblem() != "" {
		t.Errorf("%+v, %v, %q", plan, err, r.StateProblem())
	}
}

func TestStateBelongsToOneDirector(t *testing.T) {
	folder := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	first, err := OpenState(folder, log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenState(folder, log); !errors.Is(err, ErrStateTaken) {
		t.Errorf("a second director has it: %v", err)
	}
	// What a process left that ended while it was writing.
	part := filepath.Join(folder, "."+stateName+"12345")
	if err := os.WriteFile(part, []byte("fulcrum-state 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := OpenState(folder, log)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if _, err := os.Stat(part); !os.IsNotExist(err) {
		t.Errorf("the part is still there: %v", err)
	}
}

// TestAdministratorsAtOnce has two administrators change weights while the file is applied again
// and again. All that they did is an override at the end, and in the log.
func TestAdministratorsAtOnce(t *testing.T) {
	r, s := kept(t, t.TempDir(), parsePlanned(t, planned))
	defer s.Close()
	const changes = 50
	var all sync.WaitGroup
	for _, server := range []string{"10.0.0.11:8080", "10.0.0.12:8080"} {
		all.Go(func() {
			ctx := WithActor(context.Background(), Actor{Name: server, PID: 1})
			for i := range changes {
				if _, err := r.ChangeRealServer(ctx, ServerID{"web", server}, weightOf(fmt.Sprint(10+i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Go(func() {
		for range changes {
			if _, err := r.Apply(context.Background(), parsePlanned(t, planned), Application{}); err != nil {
				t.Error(err)
			}
			_ = r.Overrides()
		}
	})
	all.Wait()
	got := list(r.Overrides())
	want := "real server 10.0.0.11:8080 of web: weight 1 -> 59\n" +
		"real server 10.0.0.12:8080 of web: weight 2 -> 59\n"
	if got != want {
		t.Errorf("overrides\n%swant\n%s", got, want)
	}
	by := map[string]int{}
	for _, a := range r.Audits() {
		by[a.Who.Name]++
	}
	if by["10.0.0.11:8080"] != changes || by["10.0.0.12:8080"] != changes {
		t.Errorf("the log has %v", by)
	}
	again := s.Restore(parsePlanned(t, planned))
	if got := list(overridesOf(parsePlanned(t, planned), again.Config)); got != want {
		t.Errorf("restored\n%swant\n%s", got, want)
	}
}

// TestDroppedOverridesAreLogged: nobody reads the plan of a reload on SIGHUP.
func TestDroppedOverridesAreLogged(t *testing.T) {
	r := newTestRunning(t, parsePlanned(t, planned))
	var log strings.Builder
	r.Log = slog.New(slog.NewTextHandler(&log, nil))
	id := ServerID{"web", "10.0.0.11:8080"}
	if _, err := r.ChangeRealServer(t.Context(), id, weightOf("4")); err != nil {
		t.Fatal(err)
	}
	next := parsePlanned(t, strings.Replace(planned, "weight = 1", "weight = 6", 1))
	plan, err := r.Apply(t.Context(), next, Application{})
	if err != nil || len(plan.Dropped) != 1 {
		t.Fatalf("%+v, %v", plan, err)
	}
	if !strings.Contains(log.String(), plan.Dropped[0].String()) {
		t.Errorf("the log is\n%s", log.String())
	}
}

// TestResetNeedsItsService: a real server without its service does not stand for everything.
func TestResetNeedsItsService(t *testing.T) {
	r := newTestRunning(t, parsePlanned(t, planned))
	id := ServerID{"web", "10.0.0.11:8080"}
	if _, err := r.ChangeRealServer(t.Context(), id, weightOf("4")); err != nil {
		t.Fatal(err)
	}
	_, err := r.ResetOverrides(t.Context(), OverrideTarget{Server: id.Server})
	if _, is := errors.AsType[*ValueError](err); !is || r.CountOverrides() != 1 {
		t.Errorf("%v, %d overrides are left", err, r.CountOverrides())
	}
}

// TestStateProblemDoesNotWait: status and metrics do not wait for a slow disk.
func TestStateProblemDoesNotWait(t *testing.T) {
	r, s := kept(t, t.TempDir(), parsePlanned(t, planned))
	defer s.Close()
	err := s.write(func() *stored {
		read := make(chan string)
		go func() { read <- r.StateProblem() }()
		select {
		case problem := <-read:
			if problem != "" {
				t.Error(problem)
			}
		case <-time.After(10 * time.Second):
			t.Error("it waits for the file")
		}
		return r.stored()
	})
	if err != nil {
		t.Error(err)
	}
}

// TestStateFolderOfAnyName: what a folder's name has is no pattern.
func TestStateFolderOfAnyName(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "site [a")
	part := filepath.Join(folder, "."+stateName+"12345")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(part, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, s := kept(t, folder, parsePlanned(t, planned))
	defer s.Close()
	if _, err := os.Stat(part); !os.IsNotExist(err) {
		t.Errorf("the part is still there: %v", err)
	}
}

func FuzzDecodeState(f *testing.F) {
	f.Add([]byte("fulcrum-state 1 00\n{}"))
	f.Add([]byte("fulcrum-state 1 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\n{}"))
	c := parsePlanned(f, planned)
	f.Fuzz(func(t *testing.T, data []byte) {
		content, err := decodeState(data)
		if err != nil {
			return
		}
		if _, err := content.File.over(c); err == nil {
			_, _ = content.Running.over(c)
		}
	})
}

func sortServices(all []config.Service) {
	slices.SortFunc(all, func(a, b config.Service) int { return a.Address.Compare(b.Address) })
	for i := range all {
		slices.SortFunc(all[i].RealServers, func(a, b config.RealServer) int {
			return a.Address.Compare(b.Address)
		})
	}
}
