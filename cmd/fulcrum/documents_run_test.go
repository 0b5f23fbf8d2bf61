package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// notHere are the commands of pages that cannot run in the test's namespace, by their beginning.
var notHere = []struct{ beginning, reason string }{
	{"fulcrum lab", "makes namespaces of its own; TestLabCommand runs it"},
	{"fulcrum bench", "takes minutes and two idle CPUs; TestBench runs it"},
	{"fulcrum top", "needs a terminal; TestTopShowsADirector runs it"},
}

// adapted makes commands of pages end soon, and curl fail if the API answers with an error.
var adapted = []struct {
	shown *regexp.Regexp
	run   string
}{
	{regexp.MustCompile(`--(deadline|duration) \w+`), "--$1 1s"},
	{regexp.MustCompile(`fulcrum capture `), "fulcrum capture --duration 1s "},
	{regexp.MustCompile(`^curl `), "curl --fail-with-body --silent --show-error "},
}

// TestDocumentedCommands runs the command lines of the code blocks of README.md and docs/*.md. Each
// block has a director of its own, configured by testdata/documents/fulcrum.toml, in a namespace.
// What a page shows below a line that begins with "$ " has to be printed: "..." stands for any
// lines, and numbers, MAC addresses and local ports may differ. A new line of a page is run without
// a change here; a line that cannot run goes into notHere.
func TestDocumentedCommands(t *testing.T) {
	needRoot(t)
	needTime(t)
	var scripts []string
	for _, file := range pages(t) {
		blocks, _ := readPage(t, file)
		for _, b := range blocks {
			if script := scriptOf(b.commands()); script != "" {
				scripts = append(scripts, writeScript(t, fmt.Sprintf("%s-%d", b.page, b.line), script))
			}
		}
	}
	if len(scripts) < 8 {
		t.Errorf("only %d code blocks have commands that run here: does the test still read the pages?",
			len(scripts))
	}
	runInNamespaces(t, scripts)
}

// TestExamplesStart checks and starts every file of docs/examples.
func TestExamplesStart(t *testing.T) {
	needRoot(t)
	needTime(t)
	examples, err := filepath.Glob(filepath.Join(root, "docs/examples/*.toml"))
	if err != nil || len(examples) < 4 {
		t.Fatalf("examples %v, %v", examples, err)
	}
	var scripts []string
	for _, file := range examples {
		name := filepath.Base(file)
		script := fmt.Sprintf("documented 'fulcrum check %s'\ndocumented 'fulcrum run --config %[1]s'\n", name)
		scripts = append(scripts, writeScript(t, "example-"+name, script))
	}
	runInNamespaces(t, scripts)
}

// scriptOf returns the script of a block's commands, or nothing if none of them can run.
func scriptOf(commands []shownCommand) string {
	var script, files strings.Builder
	for i, c := range commands {
		if !runsHere(c.text) {
			continue
		}
		fmt.Fprintf(&script, "# %s\ndocumented '%s'", c.place, strings.ReplaceAll(c.text, "'", "''"))
		if c.prints != nil {
			fmt.Fprintf(&script, " prints%d", i)
			fmt.Fprintf(&files, "-- prints%d --\n%s\n", i, strings.Join(c.prints, "\n"))
		}
		script.WriteString("\n")
	}
	return script.String() + files.String()
}

// runsHere reports whether a line is complete and not in notHere.
func runsHere(line string) bool {
	ours := strings.Contains(line, "fulcrum ") && !strings.HasPrefix(line, "curl ")
	if ours && placeholder.MatchString(line) {
		return false
	}
	for _, n := range notHere {
		if strings.HasPrefix(strings.TrimPrefix(line, "bin/"), n.beginning) {
			return false
		}
	}
	return true
}

func writeScript(t *testing.T, name, script string) string {
	return writeFile(t, strings.ReplaceAll(name, "/", "-")+".txtar", script)
}

func runInNamespaces(t *testing.T, scripts []string) {
	testscript.Run(t, testscript.Params{
		Files: scripts,
		Setup: func(e *testscript.Env) error {
			s := &station{folder: e.WorkDir}
			e.Values[station{}] = s
			e.Defer(s.close)
			return errors.Join(s.furnish(), s.open())
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"documented": documented},
	})
}

// documented runs a command line of a page: documented LINE [FILE], where FILE has what it prints.
func documented(ts *testscript.TestScript, _ bool, args []string) {
	s, line := ts.Value(station{}).(*station), args[0]
	for _, a := range adapted {
		line = a.shown.ReplaceAllString(line, a.run)
	}
	if strings.Contains(line, "fulcrum run ") && !strings.Contains(line, "--idle-exit") {
		ts.Check(errors.Join(s.stop(), s.start(line), s.stop()))
		return
	}
	if asksDirector(line) && s.director == nil {
		ts.Check(s.start("fulcrum run --config fulcrum.toml"))
		ts.Check(s.awaitSessions())
	}
	printed, err := s.inside(line).CombinedOutput()
	ts.Logf("> %s\n%s", line, printed)
	if exit, failed := errors.AsType[*exec.ExitError](err); !failed ||
		exit.ExitCode() != goodExit(line) {
		ts.Check(err)
	}
	if len(args) > 1 {
		if missing := firstMissing(ts.ReadFile(args[1]), string(printed)); missing != "" {
			ts.Fatalf("the page shows a line that is not printed:\n%s", missing)
		}
	}
}

// goodExit is the exit status, besides 0, with which a command line may end.
func goodExit(line string) int {
	switch {
	case strings.HasPrefix(line, "fulcrum plan "):
		return changesExit
	case strings.HasPrefix(line, "fulcrum drain "):
		return leftExit
	}
	return 0
}

var asksNone = regexp.MustCompile(`fulcrum (run|check|import|version|completion)\b`)

func asksDirector(line string) bool { return !asksNone.MatchString(line) }

// unstable are the parts of an output that differ from run to run, besides numbers.
var unstable = []struct {
	part *regexp.Regexp
	mask string
}{
	{regexp.MustCompile(`([0-9a-f]{2}:){5}[0-9a-f]{2}`), "MAC"},
	{regexp.MustCompile(`:\d{5}\b`), ":PORT"},
	{regexp.MustCompile(`\b(reachable|static)\b`), "known"}, // neighbours of the test are static
}

// firstMissing returns the first line of a page that is not printed, in the page's order; "..."
// stands for any lines.
func firstMissing(shown, printed string) string {
	left, skip := maskedLines(printed), false
	for _, line := range maskedLines(shown) {
		if line == "..." {
			skip = true
			continue
		}
		at := slices.Index(left, line)
		if at < 0 || at > 0 && !skip {
			return line
		}
		left, skip = left[at+1:], false
	}
	return ""
}

// maskedLines returns the lines that are not empty, their words one space apart.
func maskedLines(text string) (all []string) {
	for line := range strings.Lines(text) {
		for _, u := range unstable {
			line = u.part.ReplaceAllString(line, u.mask)
		}
		words := strings.Fields(line)
		for i, w := range words {
			if bare := strings.Trim(w, "(),:"); bare != "" && strings.Trim(bare, "0123456789") == "" {
				words[i] = strings.Replace(w, bare, "N", 1)
			}
		}
		if len(words) > 0 {
			all = append(all, strings.Join(words, " "))
		}
	}
	return all
}

func TestFirstMissing(t *testing.T) {
	for _, c := range []struct{ shown, printed, missing string }{
		{"812 sessions left\n...\n10.1.0.11:80: over, 3 left", "20 sessions left\n20 sessions left\n10.1.0.11:80:  over, 20 left\n", ""},
		{"10.1.0.11:80 a", "10.1.0.12:80 a", "10.1.0.11:80 a"},
		{"a", "b\na", "a"},
		{"leaves 10.1.0.2:31337 at 02:00:00:00:01:0c", "leaves 10.1.0.2:40404 at 02:00:00:00:01:ff", ""},
	} {
		if got := firstMissing(c.shown, c.printed); got != c.missing {
			t.Errorf("%q in %q: missing %q, want %q", c.shown, c.printed, got, c.missing)
		}
	}
}
