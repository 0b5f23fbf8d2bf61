package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// copied copies a file to a name in a folder of its own, and lets change alter its bytes.
func copied(t *testing.T, from, name string, change func([]byte)) string {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(text)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestShimRefuses: a program that would run without the library is not run at all, since it would
// drive the kernel.
func TestShimRefuses(t *testing.T) {
	needRoot(t)
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	library := preload(t)
	setuid := copied(t, program, "true", nil)
	if err := os.Chown(setuid, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	setgid := copied(t, setuid, "true", nil)
	if err := os.Chown(setgid, 0, 65534); err != nil {
		t.Fatal(err)
	}
	for path, bit := range map[string]os.FileMode{setuid: os.ModeSetuid, setgid: os.ModeSetgid} {
		if err := os.Chmod(path, bit|0o755); err != nil {
			t.Fatal(err)
		}
	}
	foreign := copied(t, program, "true", func(b []byte) { b[18], b[19] = 8, 0 }) // e_machine: MIPS
	for _, c := range []struct{ library, program, want string }{
		{library, "no-such-program", `"no-such-program": executable file not found`},
		{"/none.so", program, "no library at /none.so: `make build` makes it; copy it to /usr/lib/fulcrum, or give --library"},
		{"", program, "no library at " + filepath.Join(filepath.Dir(ownBinary(t)), preloadName) + " or /usr/lib/fulcrum/"},
		{copied(t, library, "lib fulcrum.so", nil), program, "cannot be preloaded because of a blank"},
		{library, library, library + " is linked statically, so that no library can be preloaded: use a build"},
		{library, setuid, setuid + " is setuid, so that the dynamic linker preloads no library: run it as root"},
		{library, setgid, setgid + " is setgid, so that"},
		{library, foreign, foreign + " is for EM_MIPS, ELFCLASS64, and " + library + " for EM_"},
	} {
		arguments := []string{"ipvs-shim", "--library", c.library, "--", c.program}
		p := newProgram(t, arguments...).start()
		if status := p.end(); status != 1 || !strings.Contains(p.stderr.String(), c.want) {
			t.Errorf("%v: status %d, %q, want %q", arguments, status, p.stderr.String(), c.want)
		}
	}
}

// TestShimScripts: the interpreter of a script has the library, and a shim in a shim preloads it
// once. What was preloaded before stays.
func TestShimScripts(t *testing.T) {
	s := newStubIPVS(t)
	library := preload(t)
	s.library = library
	script := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho $LD_PRELOAD\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	nested := []string{ownBinary(t), "ipvs-shim", "--library", library, script}
	for want, arguments := range map[string][]string{
		library + "\n":                {script},
		library + ":/other.so\n":      {"env", "LD_PRELOAD=" + library + ":/other.so", script},
		"/other.so:" + library + "\n": append([]string{"env", "LD_PRELOAD=/other.so:" + library}, nested...),
		library + ":/a.so /b.so\n":    append([]string{"env", "LD_PRELOAD=/a.so /b.so"}, nested...),
	} {
		if out, _ := s.says(0, arguments...); out != want {
			t.Errorf("%v: LD_PRELOAD is %q, want %q", arguments, out, want)
		}
	}
}
