package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTopNeedsADirector: without a director it prints one sentence and shows no screen.
func TestTopNeedsADirector(t *testing.T) {
	_, said := ask(t, 1, "top", "--socket", filepath.Join(t.TempDir(), "nobody.sock"))
	if !strings.Contains(said, "is it running") {
		t.Errorf("it says %s", said)
	}
	ask(t, 2, "top", "--interval", "1ms")
}

// TestTopShowsADirector runs it in a terminal, which script(1) makes. q ends it.
func TestTopShowsADirector(t *testing.T) {
	needRoot(t)
	script, err := exec.LookPath("script")
	if err != nil {
		t.Skip("no script(1) here to make a terminal")
	}
	file, socket := withControl(t)
	newProgram(t, "run", "--config", file).start().awaitReady()
	p := newProgram(t)
	p.command = exec.Command(script, "-qec", ownBinary(t)+" top --interval 100ms --socket "+socket,
		"/dev/null")
	p.command.Env = append(p.command.Environ(), "TERM=xterm")
	p.command.Stdout, p.command.Stderr = &p.stdout, &p.stderr
	keys, err := p.command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.start()
	eventually(t, "the real server's line", func() bool {
		return strings.Contains(p.stdout.String(), "10.0.0.11:80")
	})
	if _, err := keys.Write([]byte("q")); err != nil {
		t.Fatal(err)
	}
	if status := p.end(); status != 0 {
		t.Errorf("exit status %d:\n%s", status, p.stdout.String())
	}
}
