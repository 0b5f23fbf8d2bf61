package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runCheck runs the command on a file and returns its output.
func runCheck(file string) (stdout, stderr string, err error) {
	var out, problems strings.Builder
	command := newCheckCommand()
	command.SilenceErrors, command.SilenceUsage = true, true
	command.SetOut(&out)
	command.SetErr(&problems)
	command.SetArgs([]string{file})
	err = command.Execute()
	return out.String(), problems.String(), err
}

func TestCheckGoodFile(t *testing.T) {
	for file, want := range map[string]string{
		"dr.toml":      "1 port, 1 service, 2 real servers",
		"fullnat.toml": "2 ports, 2 services, 3 real servers",
	} {
		file = filepath.Join("../../docs/examples", file)
		stdout, stderr, err := runCheck(file)
		if want = file + ": ok (" + want + ")\n"; stdout != want || stderr != "" || err != nil {
			t.Errorf("got %q, %q, %v; want %q and nothing else", stdout, stderr, err, want)
		}
	}
}

// TestCheckWarns: a valid file that opens something is still valid.
func TestCheckWarns(t *testing.T) {
	text, err := os.ReadFile("../../docs/examples/nat.toml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "nat.toml")
	open := "[session]\nroute_unmatched = true\n" + string(text)
	if err := os.WriteFile(file, []byte(open), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, err := runCheck(file)
	if !strings.HasPrefix(stdout, file+": ok (") || err != nil ||
		!strings.HasPrefix(stderr, file+": warning: session.route_unmatched: real servers of nat") {
		t.Errorf("got %q, %q, %v", stdout, stderr, err)
	}
}

func TestCheckPrintsEveryProblemAndFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.toml")
	if err := os.WriteFile(file, []byte("[director]\nidle = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, err := runCheck(file)
	want := file + ":1: port: is missing; give the director at least one [[port]]\n" +
		file + ":2: director.idle: is an integer, not a string; use one of busy, adaptive\n"
	if stdout != "" || stderr != want {
		t.Errorf("stdout %q, stderr\n%s\nwant\n%s", stdout, stderr, want)
	}
	if exit, ok := errors.AsType[*exitError](err); !ok || exit.code != 1 || exit.err != nil {
		t.Errorf("error %#v, want exit status 1 and nothing more to print", err)
	}
}

func TestCheckOfAnAbsentFileLeavesTheErrorToMain(t *testing.T) {
	stdout, stderr, err := runCheck(filepath.Join(t.TempDir(), "absent.toml"))
	exit, ok := errors.AsType[*exitError](err)
	if !ok || exit.code != 1 || !errors.Is(err, fs.ErrNotExist) || stdout+stderr != "" {
		t.Errorf("stdout %q, stderr %q, error %v; want exit status 1 and only the error", stdout,
			stderr, err)
	}
}
