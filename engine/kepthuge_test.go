package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"fulcrum/modes"
)

// dyingIn names the folder in which a process of this test keeps sessions until it kills itself.
const dyingIn = "FULCRUM_TEST_DYING_IN"

// keptPages is how many huge pages a run of one worker with few sessions takes: its table, the
// names, what the run is, its counters, and two for the neighbours.
const keptPages = 6

// TestKilledOnHugetlbfs: sessions on huge pages survive a process that is killed.
func TestKilledOnHugetlbfs(t *testing.T) {
	s := twoArm
	n := s.serving(s.web(modes.FullNAT, 3))
	if folder := os.Getenv(dyingIn); folder != "" {
		b := newBed(t, s, n, keptIn(folder, 1))
		for i := range 12 {
			fmt.Println(b.ask(modes.FullNAT, tcp(clientAt(i), webVIP, "S")))
			b.ask(modes.FullNAT, tcp(clientAt(i), webVIP, "A"))
		}
		t.Fatal(unix.Kill(os.Getpid(), unix.SIGKILL))
	}
	folder := filepath.Join(hugetlbfs(t, 2*keptPages), "keep")
	dying := exec.Command(os.Args[0], "-test.run=^TestKilledOnHugetlbfs$")
	dying.Env = append(os.Environ(), dyingIn+"="+folder)
	said, err := dying.Output()
	if got := dying.ProcessState.Sys().(syscall.WaitStatus).Signal(); got != unix.SIGKILL {
		t.Fatalf("it ended by %v, %v:\n%s", got, err, said)
	}
	was := strings.Split(string(said), "\n")
	b := newBed(t, s, n, keptIn(folder, 1))
	b.keptReport(12, nil)
	if notes := b.engine.Notes(); len(notes) != 0 {
		t.Errorf("notes %q", notes)
	}
	for i := range 12 {
		at := b.ask(modes.FullNAT, tcp(clientAt(i), webVIP, "PA").carrying("still here?"))
		if at.String() != was[i] {
			t.Errorf("%v, want %s", at, was[i])
		}
		b.reply(at, clientAt(i))
	}
	b.close()
}

// TestHugePagesRunOut: a start without enough huge pages is an error, at whichever file they end,
// and leaves the sessions to the next one.
func TestHugePagesRunOut(t *testing.T) {
	s, mount := oneArm, hugetlbfs(t, 2*keptPages)
	folder, n := filepath.Join(mount, "keep"), s.serving(s.web(modes.NAT, 1))
	b := newBed(t, s, n, keptIn(folder, 1))
	b.ask(modes.NAT, tcp(client, webVIP, "S"))
	c := b.engine.cfg
	b.close()
	for left := range keptPages {
		others := filepath.Join(mount, "others")
		takePages(t, others, keptPages-left)
		if _, err := New(c, n); err == nil || !strings.Contains(err.Error(), "no space left") &&
			!strings.Contains(err.Error(), "cannot allocate memory") {
			t.Errorf("%d pages: %v", left, err)
		}
		if err := os.Remove(others); err != nil {
			t.Fatal(err)
		}
		if got := keptNumbers(folder); len(got) != 1 || got[0] != 0 {
			t.Errorf("%d pages: runs %v", left, got)
		}
	}
	b = newBed(t, s, n, keptIn(folder, 1))
	b.keptReport(1, nil)
	b.close()
}

// takePages makes a file of huge pages.
func takePages(t *testing.T, path string, pages int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, int64(pages)*pageSize); err != nil {
		t.Fatal(err)
	}
}
