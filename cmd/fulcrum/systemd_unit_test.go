package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machine is a systemd in namespaces of its own that runs our unit.
type machine struct {
	t      *testing.T
	init   int // systemd's process id in this namespace
	binary string
	said   output
}

// bootMachine starts a systemd that starts the unit with a configuration.
func bootMachine(t *testing.T, config string) *machine {
	t.Helper()
	needRoot(t)
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		t.Skipf("systemd is not installed: %v", err)
	}
	m := &machine{t: t, binary: ownBinary(t)}
	group := m.newGroup()
	// systemd moves into its group before it makes namespaces, so that the group becomes their root.
	script := `echo $$ >"$0/cgroup.procs" && exec unshare --mount --pid --ipc --uts --cgroup --fork --kill-child "$@"`
	c := exec.Command("sh", "-c", script, group, absolute(t, "testdata/systemd/init.sh"), absolute(t, "../../packaging/systemd/fulcrum.service"), m.binary, config)
	c.Stdout, c.Stderr = &m.said, &m.said
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill() // its child ends with it
		_ = c.Wait()
		m.removeGroup(group)
	})
	eventually(t, "systemd's start", func() bool { m.init = childOf(c.Process.Pid); return m.init != 0 })
	return m
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// newGroup makes a control group in which systemd makes its own.
func (m *machine) newGroup() string {
	m.t.Helper()
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		m.t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); fields[2] == "cgroup2" {
			group := filepath.Join(fields[1], fmt.Sprintf("fulcrum-test-%d", os.Getpid()))
			if err := os.Mkdir(group, 0o755); err != nil {
				m.t.Fatal(err)
			}
			return group
		}
	}
	m.t.Skip("no cgroup2 is mounted, which systemd needs")
	return ""
}

// removeGroup removes a control group and those in it, whose processes may still be ending.
func (m *machine) removeGroup(group string) {
	eventually(m.t, "the end of all processes in "+group, func() bool {
		var below []string
		err := filepath.WalkDir(group, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				below = append(below, path)
			}
			return err
		})
		for i := len(below) - 1; i >= 0 && err == nil; i-- {
			err = os.Remove(below[i])
		}
		return errors.Is(err, os.ErrNotExist) || err == nil
	})
}

// childOf returns the only child of a process, or 0 if it has none yet.
func childOf(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	child, _ := strconv.Atoi(string(bytes.TrimSpace(text)))
	return child
}

// run runs a program in the machine and returns its output.
func (m *machine) run(program ...string) (string, error) {
	arguments := append([]string{"--target", strconv.Itoa(m.init), "--mount", "--pid", "--ipc", "--uts", "--cgroup"}, program...)
	text, err := exec.Command("nsenter", arguments...).CombinedOutput()
	return strings.TrimSpace(string(text)), err
}

func (m *machine) must(program ...string) string {
	m.t.Helper()
	text, err := m.run(program...)
	if err != nil {
		m.t.Fatalf("%v: %v\n%s\n%s", program, err, text, m.log())
	}
	return text
}

// log returns what systemd and the director wrote.
func (m *machine) log() string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/root/run/test/log", m.init))
	return m.said.String() + string(text)
}

func (m *machine) property(name string) string {
	text, _ := m.run("systemctl", "show", "fulcrum", "--property", name, "--value")
	return text
}

// await waits until the unit has a state and a number of restarts.
func (m *machine) await(state string, restarts int) {
	m.t.Helper()
	for end := time.Now().Add(30 * time.Second); m.property("ActiveState") != state || m.property("NRestarts") != strconv.Itoa(restarts); {
		if time.Now().After(end) {
			m.t.Fatalf("the unit is %s after %s restarts, want %s after %d:\n%s",
				m.property("ActiveState"), m.property("NRestarts"), state, restarts, m.log())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// upgrade has another process take over, which is the unit's main process then.
func (m *machine) upgrade() {
	m.t.Helper()
	before := m.property("MainPID")
	said := m.must("env", "FULCRUM_TEST_AS_PROGRAM=1", "/run/test/fulcrum", "upgrade")
	if !strings.Contains(said, "has taken over: kept 0 of 0 sessions") {
		m.t.Errorf("it says %q", said)
	}
	eventually(m.t, "another main process", func() bool {
		now := m.property("MainPID")
		return now != before && now != "0" && m.property("ActiveState") == "active"
	})
	eventually(m.t, "the end of the process before", func() bool {
		_, err := m.run("test", "-d", "/proc/"+before)
		return err != nil
	})
	m.await("active", 0)
}

// TestUnitUnderSystemd boots the unit that is shipped, with all its hardening. It starts, is
// upgraded, reloads, restarts after the director was killed or hung, and stops.
func TestUnitUnderSystemd(t *testing.T) {
	m := bootMachine(t, absolute(t, "testdata/kept.toml"))
	m.await("active", 0)
	const file = "/run/test/fulcrum.toml"
	m.upgrade()
	m.upgrade()
	m.must("sed", "-i", `s/^scheduler .*/scheduler = "wlc"/`, file)
	m.must("systemctl", "reload", "fulcrum")
	eventually(t, "the reload", func() bool { return strings.Contains(m.log(), "the configuration was read again") })
	m.must("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "fulcrum")
	m.await("active", 1)
	m.must("systemctl", "kill", "--kill-whom=main", "--signal=STOP", "fulcrum")
	m.await("active", 2)
	m.must("systemctl", "stop", "fulcrum")
	if state, result := m.property("ActiveState"), m.property("Result"); state != "inactive" || result != "success" {
		t.Errorf("stopped, it is %s with %s:\n%s", state, result, m.log())
	}
	if left := m.must("ls", "/run"); strings.Contains(left, "fulcrum") {
		t.Errorf("it left in /run:\n%s", left)
	}
}
