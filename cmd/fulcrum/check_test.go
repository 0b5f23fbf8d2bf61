package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fulcrum/config"
	"fulcrum/conntrack"
)

// runCheck runs the command and returns its output.
func runCheck(arguments ...string) (stdout, stderr string, err error) {
	var out, problems strings.Builder
	command := newCheckCommand()
	command.SilenceErrors, command.SilenceUsage = true, true
	command.SetOut(&out)
	command.SetErr(&problems)
	command.SetArgs(arguments)
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

// TestCheckSeveralFiles: every file is checked, whatever is wrong with those before it.
func TestCheckSeveralFiles(t *testing.T) {
	bad := writeFile(t, "bad.toml", "[director]\nidle = 1\n")
	const good = "../../docs/examples/ipip.toml"
	stdout, stderr, err := runCheck("/nosuch.toml", bad, good)
	if stdout != good+": ok (2 ports, 1 service, 2 real servers)\n" {
		t.Errorf("stdout %q", stdout)
	}
	for _, want := range []string{"open /nosuch.toml: no such file", bad + ":2: director.idle: "} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in %q", want, stderr)
		}
	}
	if exit, ok := errors.AsType[*exitError](err); !ok || exit.code != 1 || exit.err != nil {
		t.Errorf("error %#v, want exit status 1 and nothing more to print", err)
	}
}

// TestCheckAsJSON: the JSON has everything that is printed otherwise, and nothing else is printed.
func TestCheckAsJSON(t *testing.T) {
	bad := writeFile(t, "bad.toml", "[director]\nidle = 1\n")
	const good = "../../docs/examples/ipip.toml"
	stdout, stderr, err := runCheck("-o", "json", bad, good, "/nosuch.toml")
	var got []checked
	if e := json.Unmarshal([]byte(stdout), &got); e != nil || len(got) != 3 || stderr != "" {
		t.Fatalf("%v, %d files, stderr %q:\n%s", e, len(got), stderr, stdout)
	}
	idle := checkProblem{2, "director.idle", "is an integer, not a string", "use one of busy, adaptive"}
	if got[0].Valid || !slices.Contains(got[0].Problems, idle) {
		t.Errorf("%+v", got[0])
	}
	if g := got[1]; !g.Valid || g.Ports != 2 || g.Services != 1 || g.RealServers != 2 {
		t.Errorf("%+v", g)
	}
	if got[2].Valid || !strings.Contains(got[2].Error, "no such file") {
		t.Errorf("%+v", got[2])
	}
	if exit, ok := errors.AsType[*exitError](err); !ok || exit.code != 1 || exit.err != nil {
		t.Errorf("error %#v, want exit status 1 and nothing more to print", err)
	}
}

// TestMemoryWarning: check compares the session tables of all workers with the machine's memory.
func TestMemoryWarning(t *testing.T) {
	c := &config.Config{
		Director: config.Director{Workers: []int{0, 1}},
		Session:  config.Session{Max: 2_000_000, MaxV6: 500_000},
	}
	size := 0
	fits := func(bytes int) error { size = bytes; return nil }
	if w := memoryWarning(c, fits); w != nil || size != 2*conntrack.Size(1_000_000, 250_000) {
		t.Errorf("%q for %d bytes", w, size)
	}
	if least, most := 2_500_000*64, 2_500_000*160; size < least || size > most {
		t.Errorf("%d bytes, want %d to %d", size, least, most)
	}
	w := memoryWarning(c, func(int) error { return errors.New("only 9 MiB are available") })
	want := fmt.Sprintf("session.max: the session tables take %d MiB, unless they are on huge pages; "+
		"only 9 MiB are available", size>>20)
	if len(w) != 1 || w[0] != want {
		t.Errorf("%q, want %q", w, want)
	}
}

// TestHostWarning: a file with a host interface is of no use on a machine without its driver.
func TestHostWarning(t *testing.T) {
	missing := func() error { return errors.New("the kernel lacks it") }
	c := &config.Config{Ports: []config.Port{{Name: "front"}}}
	if w := hostWarning(c, missing); w != nil {
		t.Errorf("without a host interface: %q", w)
	}
	c.Ports[0].Host = "ful-front"
	if w := hostWarning(c, func() error { return nil }); w != nil {
		t.Errorf("with the driver: %q", w)
	}
	if w := hostWarning(c, missing); len(w) != 1 || w[0] != "port.host: the kernel lacks it" {
		t.Errorf("without the driver: %q", w)
	}
}
