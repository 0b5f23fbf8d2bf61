package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fulcrum/config"
	"fulcrum/keepalived"
)

// samples are keepalived's own sample configurations, as Debian installs them.
const samples = "/usr/share/doc/keepalived/samples/keepalived.conf."

// sampleFiles returns the samples, and cases of ours that stock keepalived understands.
func sampleFiles(t *testing.T) []string {
	t.Helper()
	needProgram(t, "keepalived")
	all, err := filepath.Glob(samples + "*")
	if err != nil || len(all) < 20 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("keepalived's samples: %d, %v", len(all), err)
		}
		t.Skipf("keepalived's samples are not here: %d, %v", len(all), err)
	}
	return append(all, "testdata/ipvs/same.conf")
}

// reason is the form of what an import leaves, and of why it refuses: a place, what, and why.
var reason = regexp.MustCompile(`^\S+:\d+: .+: .+`)

// TestKeepalivedSamples: keepalived reads each of its samples without dying, and so does the
// import, which takes the virtual servers and gives a reason for the rest. The page says what they
// make of each.
func TestKeepalivedSamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/ipvs-tools.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range sampleFiles(t) {
		said, err := exec.Command("keepalived", "--config-test", "--use-file", file).CombinedOutput()
		if exit := new(exec.ExitError); err != nil && (!errors.As(err, &exit) || exit.ExitCode() < 0) {
			t.Errorf("%s: %v\n%s", file, err, said)
		}
		i, err := keepalived.Load(file, "")
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for _, line := range i.Left {
			if !reason.MatchString(line) {
				t.Errorf("%s: no reason in %q", file, line)
			}
		}
		row := fmt.Sprintf("| `%s` | %d |", strings.TrimPrefix(file, samples), len(i.Services))
		if strings.HasPrefix(file, samples) && !strings.Contains(string(page), row) {
			t.Errorf("docs/ipvs-tools.md has no row %q", row)
		}
	}
}

// TestKeepalivedTwice: stock keepalived and `fulcrum import keepalived` make the same services of a
// file: identities, schedulers, persistence, and real servers with their modes and weights.
func TestKeepalivedTwice(t *testing.T) {
	needTime(t)
	d := newRealIPVS(t)
	for _, file := range sampleFiles(t) {
		copied := unchecked(t, file)
		i, err := keepalived.Load(copied, "")
		if err != nil {
			t.Fatal(err)
		}
		if len(i.Services) == 0 {
			continue // VRRP
		}
		want := outlines(i.Services)
		k := d.keeper(copied)
		var got []string
		for end := time.Now().Add(patience / 6); !slices.Equal(got, want) && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
			got = outlines(d.services())
		}
		same(t, file, got, want)
		k.signal(syscall.SIGTERM)
		if status := k.end(); status != 0 || len(d.services()) > 0 {
			t.Errorf("%s: keepalived ended with %d and left %v", file, status, outlines(d.services()))
		}
		if t.Failed() {
			t.Fatalf("%s%s\n%s", k.stdout.String(), k.stderr.String(), d.run.stderr.String())
		}
	}
}

// keeper starts the checkers of a keepalived on a file.
func (s *preloaded) keeper(file string) *program {
	s.t.Helper()
	folder := s.t.TempDir()
	p := s.shimmed("keepalived", "--check", "--dont-fork", "--log-console", "--log-detail",
		"--use-file", file, "--pid", filepath.Join(folder, "pid"),
		"--checkers_pid", filepath.Join(folder, "checkers"))
	p.command.SysProcAttr.Setpgid = true
	p.start()
	s.t.Cleanup(func() { killGroup(p) })
	return p
}

// killGroup ends a keepalived and its children at once.
func killGroup(p *program) {
	if !p.gone() {
		_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL) // it may end just now
	}
}

var checkBlock = regexp.MustCompile(`^\s*[A-Z]+_(CHECK|GET)\b`)

// loop is a VIP of the sample of groups, which is one of its real servers too. No director takes
// that.
const loop = "\t192.168.200.1 1358"

// unchecked returns a copy of a file without the checks of its real servers, which are up then.
func unchecked(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	depth := 0 // of braces in a check
	for line := range strings.Lines(strings.Replace(string(text), loop, "\t192.168.200.99 1358", 1)) {
		line, _, _ = strings.Cut(line, "#")
		line, _, _ = strings.Cut(line, "!")
		braces := strings.Count(line, "{") - strings.Count(line, "}")
		if depth > 0 || checkBlock.MatchString(line) {
			depth += braces
			continue
		}
		if strings.TrimSpace(line) == "alpha" {
			continue // without a check it would never be up
		}
		kept = append(kept, strings.TrimRight(line, "\n"))
	}
	copied := writeFile(t, "keepalived.conf", strings.Join(kept, "\n")+"\n")
	if err := os.Chmod(copied, 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}

// outlines returns a line for each address of services, and for each of its real servers, with what
// IPVS's messages can say of it. They are sorted: keepalived has an order of its own.
func outlines(services []config.Service) (lines []string) {
	for _, s := range services {
		for _, id := range singles(&s) {
			about := fmt.Sprint(id, " ", s.Scheduler, s.SchedulerFlags, " ", s.Persistence, "/",
				s.PersistenceMask, s.PersistenceEngine, s.OnePacket)
			lines = append(lines, about)
			for _, rs := range s.RealServers {
				lines = append(lines, fmt.Sprint(id, " > ", rs.Address, " ", s.ModeOf(rs), " ",
					rs.Weight, " ", rs.UpperThreshold, " ", rs.LowerThreshold))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// singles returns the addresses of a service, each with its port. Those of a range are services of
// their own in IPVS.
func singles(s *config.Service) (ids []string) {
	if s.Mark != 0 {
		return []string{s.ID().String()}
	}
	if len(s.Addresses) == 0 {
		return []string{fmt.Sprint(s.Protocol, " ", s.Address)}
	}
	for _, m := range s.Addresses {
		port := m.Ports.First
		if m.Ports.First != m.Ports.Last {
			port = 0 // every port
		}
		for a := m.First; m.Has(a); a = a.Next() {
			ids = append(ids, fmt.Sprint(m.Protocol, " ", netip.AddrPortFrom(a, port)))
		}
	}
	return ids
}
