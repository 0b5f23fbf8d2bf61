package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fulcrum/control"
)

// upgradable is a director on a device that two processes can have at once, with kept sessions.
type upgradable struct {
	*program
	file, socket string
	said         string // the file that it and its successors write to
}

// log returns what they wrote.
func (u *upgradable) log() string {
	text, _ := os.ReadFile(u.said)
	return string(text)
}

func startUpgradable(t *testing.T) *upgradable {
	t.Helper()
	needRoot(t)
	folder := t.TempDir()
	text, err := os.ReadFile("testdata/kept.toml")
	if err != nil {
		t.Fatal(err)
	}
	u := &upgradable{file: filepath.Join(folder, "fulcrum.toml"), socket: filepath.Join(folder, "control")}
	own := strings.NewReplacer("/run/test/keep", filepath.Join(folder, "keep"),
		"[director]\n", fmt.Sprintf("[director]\ncontrol = %q\n", u.socket)).Replace(string(text))
	if err := os.WriteFile(u.file, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	u.said = filepath.Join(folder, "log")
	said, err := os.Create(u.said)
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	u.program = newProgram(t, "run", u.file)
	u.command.Stdout, u.command.Stderr = said, said
	u.start()
	eventually(t, "director ready", func() bool { return u.gone() || strings.Contains(u.log(), "director ready") })
	return u
}

// upgrade asks for an upgrade and returns the new process, or what the command complained of.
func (u *upgradable) upgrade(arguments ...string) (process int, complaint string) {
	u.t.Helper()
	all := append([]string{"upgrade", "--socket", u.socket, "-o", "json"}, arguments...)
	p := newProgram(u.t, all...).start()
	if p.end() != 0 {
		return 0, p.stderr.String()
	}
	var s control.Succession
	if err := json.Unmarshal([]byte(p.stdout.String()), &s); err != nil {
		u.t.Fatal(err)
	}
	return s.Process, ""
}

// TestUpgradeCommand: a director hands over to its own program again and again, and each process
// ends well.
func TestUpgradeCommand(t *testing.T) {
	needTime(t)
	u := startUpgradable(t)
	first, complaint := u.upgrade()
	if first == 0 {
		t.Fatalf("%s\n%s", complaint, u.log())
	}
	t.Cleanup(func() { _ = syscall.Kill(first, syscall.SIGKILL) })
	if status := u.end(); status != 0 {
		t.Errorf("it ended with status %d:\n%s", status, u.log())
	}
	second, complaint := u.upgrade(ownBinary(t))
	if second == 0 {
		t.Fatalf("%s\n%s", complaint, u.log())
	}
	t.Cleanup(func() { _ = syscall.Kill(second, syscall.SIGKILL) })
	_, said := ask(t, 0, "status", "--socket", u.socket)
	if said != "" {
		t.Error(said)
	}
	if err := syscall.Kill(second, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the last director", func() bool {
		_, err := os.Stat(u.socket)
		return os.IsNotExist(err)
	})
	if n := strings.Count(u.log(), "director ready"); n != 3 {
		t.Errorf("ready %d times:\n%s", n, u.log())
	}
}

// TestUpgradeRefused: a program that cannot take over changes nothing, and it is said why.
func TestUpgradeRefused(t *testing.T) {
	needTime(t)
	u := startUpgradable(t)
	text, err := os.ReadFile(u.file)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("#!/bin/sh\necho I am no director >&2\nexit 5\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for want, do := range map[string]func() string{
		"no such file":     func() string { _, c := u.upgrade("/nonexistent/fulcrum"); return c },
		"is not a program": func() string { _, c := u.upgrade(u.file); return c },
		"the director goes on: the successor has ended (exit status 5)": func() string {
			_, c := u.upgrade(other)
			return c
		},
		"cannot be used": func() string {
			if err := os.WriteFile(u.file, append(text, "nonsense = 1\n"...), 0o600); err != nil {
				t.Fatal(err)
			}
			_, c := u.upgrade()
			return c
		},
	} {
		if got := do(); !strings.Contains(got, want) {
			t.Errorf("it says %q, want %q", got, want)
		}
		if u.gone() {
			t.Fatalf("the director has ended:\n%s", u.log())
		}
	}
	ask(t, 0, "status", "--socket", u.socket)
}

// TestUpgradeAbandoned: a client that leaves while the successor starts ends the attempt.
func TestUpgradeAbandoned(t *testing.T) {
	needTime(t)
	u := startUpgradable(t)
	idle := filepath.Join(t.TempDir(), "idle")
	pid := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(idle, []byte("#!/bin/sh\necho $$ >"+pid+".new; mv "+pid+".new "+pid+"; exec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := newProgram(t, "upgrade", "--socket", u.socket, idle).start()
	var successor int
	eventually(t, "the successor", func() bool {
		text, _ := os.ReadFile(pid)
		successor, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return successor != 0
	})
	p.signal(syscall.SIGINT)
	p.end()
	eventually(t, "the successor's end", func() bool { return syscall.Kill(successor, 0) != nil })
	if u.gone() {
		t.Fatalf("the director has ended:\n%s", u.log())
	}
	ask(t, 0, "weight", "--socket", u.socket, "--help")
}

// TestUpgradeIsForRoot: a user who may use the API may not have the director start programs.
func TestUpgradeIsForRoot(t *testing.T) {
	needTime(t)
	u := startUpgradable(t)
	if err := os.Chmod(filepath.Dir(u.socket), 0o755); err != nil {
		t.Fatal(err)
	}
	for folder := filepath.Dir(u.socket); folder != "/tmp" && folder != "/"; folder = filepath.Dir(folder) {
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(u.socket, 0o666); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("curl", "-s", "--unix-socket", u.socket, "-d", "{}", "-H", "Content-Type: application/json",
		"http://director/v1/upgrade")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	text, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(text), "only root") {
		t.Errorf("%v: %s", err, text)
	}
}
