package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"fulcrum/lab"
	"fulcrum/lvs"
)

// TestLabCommand runs the same as `make run`, for one mode.
func TestLabCommand(t *testing.T) {
	needRoot(t)
	needTime(t)
	p := newProgram(t, "lab", "--mode", "fullnat", "--scheduler", "wrr").start()
	if status := p.end(); status != 0 {
		t.Fatalf("exit status %d:\n%s%s", status, p.stdout.String(), p.stderr.String())
	}
	row := regexp.MustCompile(`(?m)^ok +fullnat +300/300 +60/60 +\d+ MB/s verified +\d+ MB/s verified +50/100/150 +10\.1\.0\.50 \+3 +director \(\d+\) +none +ok$`)
	if !row.MatchString(p.stdout.String()) {
		t.Errorf("the table lacks the row of fullnat:\n%s", p.stdout.String())
	}
	p.checkNoLab()
}

// TestLabServers: a lab has as many real servers as it is told, each with its share, and no more
// than it can have.
func TestLabServers(t *testing.T) {
	for _, n := range []string{"0", "33", "-1"} {
		if _, said := ask(t, 2, "lab", "--servers", n); !strings.Contains(said, "give 1 to 32") {
			t.Errorf("%s servers: %s", n, said)
		}
	}
	needRoot(t)
	needTime(t)
	for _, c := range [][3]string{
		{"rr", "7", `301/301 +60/60 .* 43/43/43/43/43/43/43 `}, {"wrr", "11", `330/330 +60/60 .* 5/10/15/20/25/30/35/40/45/50/55 `},
		{"rr", "1", `300/300 +60/60 .* 300 `},
	} {
		p := newProgram(t, "lab", "--mode", "ipip", "--scheduler", c[0], "--servers", c[1]).start()
		status := p.end()
		if row := regexp.MustCompile(`(?m)^ok +ipip +` + c[2]); status != 0 ||
			!row.MatchString(p.stdout.String()) {
			t.Errorf("%s servers: exit status %d:\n%s%s", c[1], status, p.stdout.String(), p.stderr.String())
		}
		p.checkNoLab()
	}
}

// TestDescribeKept: the commands that it shows fit the lab, for every family.
func TestDescribeKept(t *testing.T) {
	for _, web := range []string{"10.0.0.100:80", "[fd00::a00:64]:80"} {
		var out strings.Builder
		c := new(cobra.Command)
		c.SetOut(&out)
		labOptions{}.describeKept(c, "nat", lab.Result{Mode: lvs.NAT})
		labOptions{}.describeKept(c, "dr", lab.Result{Mode: lvs.DR, Kept: "7", Web: netip.MustParseAddrPort(web)})
		for _, want := range []string{"\ndr stands as lab 7; ", "its counters began at zero:\n", " lab exec --lab 7 client curl http://" + web + "/ ", " /run/fulcrum-lab/7/control.sock ", " lab clean 7 "} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %q in %s", want, out.String())
			}
		}
		if strings.Contains(out.String(), "nat stands") {
			t.Errorf("a lab that was not kept: %s", out.String())
		}
	}
}

// TestLabInterrupted: Ctrl-C during a trial removes the lab.
func TestLabInterrupted(t *testing.T) {
	needRoot(t)
	needTime(t)
	p := startLab(t)
	p.signal(syscall.SIGINT)
	if status := p.end(); status != 1 || p.lastLine() != "fulcrum: the lab was interrupted" {
		t.Errorf("exit status %d, stderr %q", status, p.stderr.String())
	}
	p.checkNoLab()
}

// TestLabWithoutReader: a lab is removed even if the reader of its table has gone, as in `fulcrum
// lab | head -1`.
func TestLabWithoutReader(t *testing.T) {
	needRoot(t)
	needTime(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	reader.Close()
	p := newProgram(t, "lab", "--mode", "dr")
	p.command.Stdout = writer
	p.start()
	writer.Close()
	p.end()
	p.checkNoLab()
}

// TestLabKilled: `fulcrum lab clean` removes what a killed lab left behind.
func TestLabKilled(t *testing.T) {
	needRoot(t)
	needTime(t)
	p := startLab(t)
	p.signal(os.Kill)
	<-p.exited
	if len(p.labs()) == 0 {
		t.Fatal("a killed lab leaves nothing: this test tests nothing")
	}
	id := filepath.Base(strings.TrimSuffix(p.labs()[0], ".json"))
	clean := newProgram(t, "lab", "clean", id).start()
	if status := clean.end(); status != 0 || clean.stdout.String() != "removed lab "+id+"\n" {
		t.Errorf("exit status %d: %s%s", status, clean.stdout.String(), clean.stderr.String())
	}
	p.checkNoLab()
}

// startLab starts a lab and waits until traffic flows.
func startLab(t *testing.T) *program {
	t.Helper()
	p := newProgram(t, "lab", "--mode", "dr").start()
	eventually(t, "a lab with traffic", func() bool {
		if p.gone() {
			t.Fatalf("the lab ended: %s%s", p.stdout.String(), p.stderr.String())
		}
		return strings.Contains(p.stdout.String(), "  http ")
	})
	return p
}

// labs returns the records of the program's labs.
func (p *program) labs() []string { return p.owned("/run/fulcrum-lab/%.json") }

// owned returns the paths whose name has the program's process id at the percent sign, alone or
// with a number.
func (p *program) owned(pattern string) []string {
	id := strconv.Itoa(p.command.Process.Pid)
	exact, _ := filepath.Glob(strings.Replace(pattern, "%", id, 1))
	numbered, _ := filepath.Glob(strings.Replace(pattern, "%", id+"-*", 1))
	return append(exact, numbered...)
}

func (p *program) checkNoLab() {
	p.t.Helper()
	left := append(p.labs(), p.owned("/run/netns/fulcrum-%-*")...)
	if len(left) > 0 {
		p.t.Errorf("left behind: %v", left)
	}
}

// TestKeptLab: a kept lab is listed, commands run in its hosts, and it is named where a director is
// not found.
func TestKeptLab(t *testing.T) {
	needRoot(t)
	needTime(t)
	p := newProgram(t, "lab", "--mode", "dr", "--keep").start()
	t.Cleanup(func() { ask(t, 0, "lab", "clean", strconv.Itoa(p.command.Process.Pid)) })
	if status := p.end(); status != 0 || !strings.Contains(p.stdout.String(), "began at zero") {
		t.Fatalf("exit status %d: %s%s", status, p.stdout.String(), p.stderr.String())
	}
	id := strconv.Itoa(p.command.Process.Pid)
	socket := "/run/fulcrum-lab/" + id + "/control.sock"
	if list, _ := ask(t, 0, "lab", "list"); !regexp.MustCompile(
		`(?m)^` + id + ` +dr +yes +client router director rs1 rs2 rs3 +` + socket + `$`).MatchString(list) {
		t.Errorf("the list is\n%s", list)
	}
	inside := func(status int, arguments ...string) string {
		stdout, stderr := ask(t, status, append([]string{"lab", "exec", "--lab", id}, arguments...)...)
		return stdout + stderr
	}
	if said := inside(3, "rs1", "sh", "-c", "echo $FULCRUM_SOCKET; exit 3"); said != socket+"\n" {
		t.Errorf("a command says %q", said)
	}
	if said := inside(0, "director", ownBinary(t), "status"); !strings.Contains(said, "director.toml") {
		t.Errorf("status says %q", said)
	}
	if said := inside(0, "rs1", "cat", "/proc/net/fib_trie"); !strings.Contains(said, "10.0.0.100") {
		t.Errorf("a command in the real server does not see the VIP:\n%s", said)
	}
	if said := inside(1, "rs9", "true"); !strings.Contains(said, `no host "rs9": choose one of client, `) {
		t.Errorf("an unknown host: %q", said)
	}
	if _, said := ask(t, 1, "status", "--socket", "/nosuch.sock"); !strings.Contains(said,
		"kept labs have directors too: --socket ") {
		t.Errorf("without a director: %q", said)
	}
}
