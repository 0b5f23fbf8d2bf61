package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soon bounds the time of a stop, for which the operator waits.
const soon = 10 * time.Second

func TestStopsOnSignal(t *testing.T) {
	needRoot(t)
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			report := filepath.Join(t.TempDir(), "report.json")
			p := newProgram(t, "run", "--config", "testdata/quiet.toml", "--report", report).start().awaitReady()
			sent := time.Now()
			p.signal(s)
			if status := p.end(); status != 0 {
				t.Errorf("exit status %d:\n%s", status, p.stderr.String())
			}
			if took := time.Since(sent); took > soon {
				t.Errorf("it took %s", took)
			}
			p.checkStopped(report)
		})
	}
}

// checkStopped checks that a director ended well: it leaves its table and its report, and nothing
// else.
func (p *program) checkStopped(report string) {
	p.t.Helper()
	p.checkNothingLeft()
	if said := p.complaints(); len(said) > 0 {
		p.t.Errorf("it complained: %q", said)
	}
	for _, words := range []string{"port  received", "web tcp 10.0.0.100:80 dr", "10.0.0.11:80",
		"= transmitted"} {
		if !strings.Contains(p.stdout.String(), words) {
			p.t.Errorf("the table lacks %q:\n%s", words, p.stdout.String())
		}
	}
	if r := readReport(p.t, report); r.Originated == 0 || r.Transmitted != r.Originated {
		p.t.Errorf("of %d announcements %d were sent", r.Originated, r.Transmitted)
	}
}

// TestStopShows: the time for which the process was stopped shows as the worker's longest turn,
// also if the worker was asleep.
func TestStopShows(t *testing.T) {
	needRoot(t)
	report := filepath.Join(t.TempDir(), "report.json")
	p := newProgram(t, "run", "--config", "testdata/quiet.toml", "--report", report).start().awaitReady()
	const stopped = 500 * time.Millisecond
	p.signal(syscall.SIGSTOP)
	time.Sleep(stopped)
	p.signal(syscall.SIGCONT)
	p.signal(syscall.SIGTERM)
	p.end()
	w := readReport(t, report).Workers[0]
	if longest := time.Duration(w.LongestTurnUs) * time.Microsecond; longest < stopped/2 {
		t.Errorf("the longest turn is %v after a stop of %v", longest, stopped)
	}
}

// TestReportsOnSignal: SIGUSR1 prints the report, and the director goes on.
func TestReportsOnSignal(t *testing.T) {
	needRoot(t)
	report := filepath.Join(t.TempDir(), "report.json")
	p := newProgram(t, "run", "--config", "testdata/quiet.toml", "--report", report).start().awaitReady()
	for n := 1; n <= 3; n++ {
		p.signal(syscall.SIGUSR1)
		eventually(t, "the table", func() bool {
			return strings.Count(p.stdout.String(), "= transmitted") == n
		})
	}
	if r := readReport(t, report); r.Transmitted > r.Originated {
		t.Errorf("%d packets were sent, %d made", r.Transmitted, r.Originated)
	}
	p.signal(syscall.SIGTERM)
	if status := p.end(); status != 0 {
		t.Errorf("exit status %d:\n%s", status, p.stderr.String())
	}
	p.checkStopped(report)
}

// TestSignalWhileStarting: the director stops well even if the signal comes before it is ready.
func TestSignalWhileStarting(t *testing.T) {
	needRoot(t)
	p := newProgram(t, "run", "--config", "testdata/quiet.toml").start()
	eventually(t, "DPDK's runtime directory", func() bool {
		return len(p.leftovers()) > 0 || p.gone()
	})
	p.signal(syscall.SIGTERM)
	if status := p.end(); status != 0 {
		t.Errorf("exit status %d:\n%s", status, p.stderr.String())
	}
	p.checkNothingLeft()
}

// TestReadyAtEveryLogLevel: scripts wait for that line.
func TestReadyAtEveryLogLevel(t *testing.T) {
	needRoot(t)
	file := writeFile(t, "director.toml", quiet(t, "workers = 1", "workers = 1\nlog = \"error\""))
	p := newProgram(t, "run", "--config", file, "--idle-exit", "10ms").start()
	if status := p.end(); status != 0 {
		t.Fatalf("exit status %d", status)
	}
	if said := p.stderr.String(); strings.Count(said, "\n") != 1 ||
		!strings.Contains(said, "director ready") {
		t.Errorf("it says\n%s", said)
	}
}

// TestRestartAfterKill: the next director removes what a killed one left behind.
func TestRestartAfterKill(t *testing.T) {
	needRoot(t)
	killed := newProgram(t, "run", "--config", "testdata/quiet.toml").start().awaitReady()
	killed.signal(os.Kill)
	<-killed.exited
	if len(killed.leftovers()) == 0 {
		t.Fatal("a killed director leaves no runtime directory: this test tests nothing")
	}
	next := newProgram(t, "run", "--config", "testdata/quiet.toml", "--idle-exit", "10ms").start()
	if status := next.end(); status != 0 {
		t.Errorf("exit status %d:\n%s", status, next.stderr.String())
	}
	next.checkNothingLeft()
	killed.checkNothingLeft()
}

// TestSideBySide runs two directors of the same file at once. It stops them in the order of their
// start, and the other way round.
func TestSideBySide(t *testing.T) {
	needRoot(t)
	report := filepath.Join(t.TempDir(), "report.json")
	first := newProgram(t, "run", "--config", "testdata/quiet.toml").start().awaitReady()
	for range 2 {
		second := newProgram(t, "run", "--config", "testdata/quiet.toml", "--report", report).start().awaitReady()
		first.signal(syscall.SIGTERM)
		if status := first.end(); status != 0 || second.gone() {
			t.Fatalf("exit status %d; the other one is gone: %t", status, second.gone())
		}
		first.checkNothingLeft()
		if len(second.leftovers()) != 1 {
			t.Fatal("the end of one director took away the files of the other")
		}
		first = second
	}
	first.signal(syscall.SIGTERM)
	if status := first.end(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	first.checkStopped(report)
}

// TestSignalUnderFlood: a director whose device never runs dry stops as well.
func TestSignalUnderFlood(t *testing.T) {
	needRoot(t)
	file, report := writeFile(t, "flood.toml", quiet(t, quietDevice, "net_null0")),
		filepath.Join(t.TempDir(), "report.json")
	p := newProgram(t, "run", "--config", file, "--report", report).start().awaitReady()
	sent := time.Now()
	p.signal(syscall.SIGTERM)
	if status := p.end(); status != 0 || time.Since(sent) > soon {
		t.Errorf("exit status %d after %s", status, time.Since(sent))
	}
	p.checkStopped(report)
}
