package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// supervisor listens at the socket that systemd would listen at.
type supervisor struct {
	path  string
	heard output
}

func newSupervisor(t *testing.T) *supervisor {
	t.Helper()
	s := &supervisor{path: filepath.Join(t.TempDir(), "notify")}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		message := make([]byte, 1024)
		for {
			n, err := conn.Read(message)
			if err != nil {
				return
			}
			_, _ = s.heard.Write(append(message[:n:n], '\n')) // it never fails
		}
	}()
	return s
}

func (s *supervisor) count(state string) int { return strings.Count(s.heard.String(), state+"\n") }

// TestTellsSystemd: first ready, then the watchdog while packets flow, and at last the stop.
func TestTellsSystemd(t *testing.T) {
	needRoot(t)
	s := newSupervisor(t)
	p := newProgram(t, "run", "--config", "testdata/quiet.toml")
	p.command.Env = append(os.Environ(), "NOTIFY_SOCKET="+s.path, "WATCHDOG_USEC=100000")
	p.start().awaitReady()
	eventually(t, "three signs of life", func() bool { return s.count("WATCHDOG=1") >= 3 })
	p.signal(syscall.SIGHUP)
	eventually(t, "the reload's end", func() bool {
		return strings.HasSuffix(strings.ReplaceAll(s.heard.String(), "WATCHDOG=1\n", ""), "READY=1\n") &&
			s.count("READY=1") == 2
	})
	if !strings.Contains(s.heard.String(), "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("it said\n%s", s.heard.String())
	}
	p.signal(syscall.SIGTERM)
	if status := p.end(); status != 0 {
		t.Errorf("exit status %d:\n%s", status, p.stderr.String())
	}
	eventually(t, "the end", func() bool { return s.count("STOPPING=1") == 1 })
	if heard := s.heard.String(); !strings.HasPrefix(heard, "READY=1\n") {
		t.Errorf("it said\n%s", heard)
	}
	p.checkNothingLeft()
}

// TestUnitIsGood has systemd check the unit. Its paths are replaced by those of this build, because
// systemd looks for the programs.
func TestUnitIsGood(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here")
	}
	text, err := os.ReadFile("../../packaging/systemd/fulcrum.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "fulcrum.service")
	text = []byte(strings.ReplaceAll(string(text), "/usr/bin/fulcrum", ownBinary(t)))
	if err := os.WriteFile(unit, text, 0o644); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(analyze, "verify", "--man=no", "--recursive-errors=no", unit).CombinedOutput()
	if err != nil || len(said) > 0 {
		t.Errorf("%v\n%s", err, said)
	}
}

// TestKeepalivedDropInIsGood has systemd check the drop-in together with Debian's unit, whose
// command it runs through the shim.
func TestKeepalivedDropInIsGood(t *testing.T) {
	needProgram(t, "keepalived")
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here")
	}
	unit, err := os.ReadFile("/lib/systemd/system/keepalived.service")
	if err != nil {
		t.Fatal(err)
	}
	dropIn, err := os.ReadFile("../../packaging/systemd/keepalived.service.d/fulcrum.conf")
	if err != nil {
		t.Fatal(err)
	}
	_, command, _ := strings.Cut(string(unit), "\nExecStart=")
	command, _, _ = strings.Cut(command, "\n")
	line := "/usr/bin/fulcrum ipvs-shim -- " + command
	if !strings.Contains(string(dropIn), "\nExecStart=\nExecStart="+line+"\n") || misspelt(line) != "" {
		t.Errorf("the drop-in does not run %q; %s", line, misspelt(line))
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "keepalived.service")
	dropIn = []byte(strings.ReplaceAll(string(dropIn), "/usr/bin/fulcrum", ownBinary(t)))
	if err := errors.Join(os.Mkdir(file+".d", 0o755), os.WriteFile(file, unit, 0o644),
		os.WriteFile(filepath.Join(file+".d", "fulcrum.conf"), dropIn, 0o644)); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(analyze, "verify", "--man=no", "--recursive-errors=no", file).CombinedOutput()
	if err != nil || len(said) > 0 {
		t.Errorf("%v\n%s", err, said)
	}
}
