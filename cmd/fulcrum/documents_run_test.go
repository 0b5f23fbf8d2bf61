package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"reflect"
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
	{"fulcrum host", "needs a port with a host interface; TestHostAdopt runs it"},
	{"fulcrum ipvs-shim", "needs the library and goes on as another program; TestShimIPVSAdm runs it"},
	{"fulcrum ipvs-files /run/fulcrum-proc --every", "does not end; TestScripts runs it"},
	{"fulcrum import kernel", "needs the kernel's IPVS; the script importkernel reads a director's"},
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
	{regexp.MustCompile(`\| wireshark -k -i -$`), "| tshark -r -"}, // without a display
}

// prepared are commands that a page shows in a state that the test's director and files lack. A
// command is identified by its beginning and by the beginning of its output on the page.
var prepared = []struct {
	beginning, prints string
	setUp             string // a command line that makes the state; none if empty
	fails             bool   // as the page says: with status 1, and curl with that of an HTTP error
}{
	{"fulcrum check fulcrum.toml", "fulcrum.toml: ok", "cp nat.toml fulcrum.toml", false},
	{"fulcrum check fulcrum.toml", "fulcrum.toml:2:", "sed '/^.director/,$!d; " +
		"s/^workers.*/idle = 1/; /^mode/a scheduler = \"best\"' nat.toml > fulcrum.toml", true},
	{"fulcrum apply new.toml", "fulcrum: session.max",
		"sed -i 's/^max = .*/max = 2_000/' new.toml", true},
	{"fulcrum rollback", "~ real server", "fulcrum weight web 10.1.0.11:80 5", false},
	{"curl ", `{"title":`, "", true},
	{"fulcrum ipvsadm -Ln", "IP Virtual Server",
		"fulcrum ipvsadm -C && fulcrum ipvsadm -R < moved", false},
	{"fulcrum drain web 10.1.0.12:80", "fulcrum: nothing", "fulcrum drain web 10.1.0.11:80", true},
	{"fulcrum announce on web", "~ service web", "fulcrum announce off", false},
	{"fulcrum status", "...\ndrop_entry", "sed -i '/^.session/a drop_entry = \"auto\"\\n" +
		"secure_tcp = \"on\"' fulcrum.toml", false},
	{"fulcrum ipvsadm -A", "", "fulcrum ipvsadm -D -t 10.0.0.100:80", false},
}

// stateOf returns the index in prepared of a command, or -1 if it needs no state of its own.
func stateOf(c shownCommand) int {
	for i, p := range prepared {
		if strings.HasPrefix(c.text, p.beginning) &&
			strings.HasPrefix(strings.Join(c.prints, "\n"), p.prints) {
			return i
		}
	}
	return -1
}

// TestDocumentedCommands runs the command lines of the code blocks of README.md and docs/*.md. Each
// block has a director of its own, configured by testdata/documents/fulcrum.toml, in a namespace.
// What a page shows below a line that begins with "$ " has to be printed: "..." stands for any
// lines, and numbers, MAC addresses and local ports may differ. A new line of a page is run without
// a change here; a line that cannot run goes into notHere, and one that needs another state than
// the director's into prepared.
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

// TestPreparedCommandsAreShown: each row of prepared is for a command that a page still shows.
func TestPreparedCommandsAreShown(t *testing.T) {
	shown := map[int]bool{}
	for _, file := range pages(t) {
		blocks, _ := readPage(t, file)
		for _, b := range blocks {
			for _, c := range b.commands() {
				shown[stateOf(c)] = true
			}
		}
	}
	for i, p := range prepared {
		if !shown[i] {
			t.Errorf("no page shows %q with %q", p.beginning, p.prints)
		}
	}
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
		fmt.Fprintf(&script, "# %s\n%s", c.place, calls(c))
		if c.prints != nil {
			fmt.Fprintf(&script, " prints%d", i)
			fmt.Fprintf(&files, "-- prints%d --\n%s\n", i, strings.Join(c.prints, "\n"))
		}
		script.WriteString("\n")
	}
	return script.String() + files.String()
}

// calls returns the script's lines for a command without what it prints: "!" stands for a failure.
func calls(c shownCommand) string {
	quoted := func(line string) string {
		return "documented '" + strings.ReplaceAll(line, "'", "''") + "'"
	}
	state, before := stateOf(c), ""
	if state < 0 {
		return quoted(c.text)
	}
	if setUp := prepared[state].setUp; setUp != "" {
		before = quoted(setUp) + "\n"
	}
	if prepared[state].fails {
		before += "! "
	}
	return before + quoted(c.text)
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
// With "!" in front the line has to fail.
func documented(ts *testscript.TestScript, fails bool, args []string) {
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
	ts.Check(judgeExit(line, fails, err))
	if len(args) > 1 {
		if missing := firstMissing(ts.ReadFile(args[1]), string(printed)); missing != "" {
			ts.Fatalf("the page shows a line that is not printed:\n%s", missing)
		}
	}
}

// judgeExit returns an error unless a command line ended as the page says.
func judgeExit(line string, fails bool, err error) error {
	exit, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case fails && err == nil:
		return errors.New("succeeds, and has to fail")
	case fails && failed && exit.ExitCode() == badExit(line),
		!fails && failed && exit.ExitCode() == goodExit(line):
		return nil
	}
	return err
}

// badExit is the exit status with which a command line fails.
func badExit(line string) int {
	if strings.HasPrefix(line, "curl ") {
		return 22 // the server answered with an error
	}
	return 1
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

func asksDirector(line string) bool {
	return callsProgram.MatchString(line) && !asksNone.MatchString(line)
}

// unstable are the parts of an output that differ from run to run, besides numbers.
var unstable = []struct {
	part *regexp.Regexp
	mask string
}{
	{regexp.MustCompile(`([0-9a-f]{2}:){5}[0-9a-f]{2}`), "MAC"},
	{regexp.MustCompile(`:\d{4,5}\b`), ":PORT"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-\d+\b`), "REVISION"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "TIME"},
	{regexp.MustCompile(`\S*/fulcrum\.toml`), "FILE"},
	{regexp.MustCompile(`\b(reachable|static)\b`), "known"}, // neighbours of the test are static
}

// firstMissing returns the first line of a page that is not printed, in the page's order; "..."
// stands for any lines. A page may wrap a JSON object and leave members out: see missingMember.
func firstMissing(shown, printed string) string {
	if strings.HasPrefix(shown, "{") {
		return missingMember(shown, printed)
	}
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

// missingMember returns the name of a member of the shown object that the printed object lacks or
// has with another value. Other lines may stand before the printed object.
func missingMember(shown, printed string) string {
	var want, got map[string]any
	if err := json.Unmarshal([]byte(shown), &want); err != nil {
		return fmt.Sprintf("%s: %v", shown, err)
	}
	printed = printed[max(0, strings.Index(printed, "{")):]
	if err := json.NewDecoder(strings.NewReader(printed)).Decode(&got); err != nil {
		return fmt.Sprintf("%s: %v", shown, err)
	}
	for name, value := range want {
		if !reflect.DeepEqual(got[name], value) {
			return name
		}
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
		{"{\"a\": 1,\n\"b\": [2]}", "curl: (22)\n{\"z\":0,\"a\":1,\"b\":[2]}\n", ""},
		{`{"a": 1, "b": [2]}`, `{"a":1,"b":[3]}`, "b"},
		{`{"a": 1, "b": [2]}`, `{"a":1}`, "b"},
	} {
		if got := firstMissing(c.shown, c.printed); got != c.missing {
			t.Errorf("%q in %q: missing %q, want %q", c.shown, c.printed, got, c.missing)
		}
	}
}
