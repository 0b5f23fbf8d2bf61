package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fulcrum/lvs"
	"fulcrum/ports"
)

// trial is one director between the pipes of a judge (testdata/judge/judge.py). The judge makes
// packets and checks what the director sends with scapy, which shares no code with the director.
type trial struct {
	mode        lvs.Mode
	vip, server int    // families
	vlans       string // of both ports
}

const untagged = "0,0"

// trials are all modes with all families that they support.
var trials = []trial{
	{lvs.DR, 4, 4, untagged},
	{lvs.NAT, 4, 4, untagged},
	{lvs.FullNAT, 4, 4, untagged},
	{lvs.IPIP, 4, 4, untagged},
	{lvs.DR, 6, 6, untagged},
	{lvs.NAT, 6, 6, untagged},
	{lvs.FullNAT, 6, 6, untagged},
	{lvs.FullNAT, 6, 4, untagged},
	{lvs.IPIP, 6, 6, untagged},
	{lvs.IPIP, 4, 6, untagged},
	{lvs.IPIP, 6, 4, untagged},
	{lvs.NAT, 4, 4, "10,20"},
	{lvs.IPIP, 6, 4, "0,4094"},
}

func (c trial) String() string {
	name := fmt.Sprintf("%s %d to %d", c.mode, c.vip, c.server)
	if c.vlans != untagged {
		name += " in vlans " + c.vlans
	}
	return name
}

// judgedPackets is the number of packets of each trial.
const judgedPackets = 600

// TestIndependentJudge sends random valid packets through the director in every mode. scapy
// compares each packet that comes out with the expected one, byte by byte, and tshark finds no
// error in any of them.
func TestIndependentJudge(t *testing.T) {
	for _, c := range trials {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			j := newJudge(t, "traffic", strconv.Itoa(judgedPackets), c)
			j.hold()
			j.tshark("front-out.pcap")
			j.tshark("back-out.pcap")
		})
	}
}

// TestDamagedStaysDamaged sends packets with wrong checksums among valid ones through every mode.
// The director repairs none of them.
func TestDamagedStaysDamaged(t *testing.T) {
	for _, c := range trials {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			newJudge(t, "damaged", strconv.Itoa(judgedPackets/5), c).hold()
		})
	}
}

// TestEchoSessions has real servers answer echo requests to the VIP, in all modes that forward
// them. Trials between the families do not.
func TestEchoSessions(t *testing.T) {
	for _, c := range trials {
		if c.mode == lvs.FullNAT && c.vip != c.server {
			continue
		}
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			newJudge(t, "echo", strconv.Itoa(judgedPackets/5), c).hold()
		})
	}
}

// judge is a running judge.
type judge struct {
	t       *testing.T
	folder  string
	command *exec.Cmd
	stdin   io.WriteCloser
	stdout  *bufio.Reader
	stderr  output
}

// judgeSeed returns the seed. To repeat a run: FULCRUM_JUDGE_SEED=... go test -run
// TestIndependentJudge.
const judgeSeed = "FULCRUM_JUDGE_SEED"

// newJudge starts a judge, which writes the director's configuration. The folder of a failed test
// is kept for its captures.
func newJudge(t *testing.T, kind, amount string, c trial) *judge {
	t.Helper()
	needRoot(t)
	needTime(t)
	j := &judge{t: t, folder: judgeFolder(t)}
	seed := os.Getenv(judgeSeed)
	if seed == "" {
		seed = strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	t.Logf("%s=%s, captures in %s", judgeSeed, seed, j.folder)
	// Debian's Python has the packages that third_party/install.sh installs.
	j.command = exec.Command("/usr/bin/python3", "-B", "testdata/judge/judge.py", kind, j.folder, seed,
		strconv.Itoa(ports.MaxBurst), amount,
		c.mode.String(), strconv.Itoa(c.vip), strconv.Itoa(c.server), c.vlans)
	j.command.Stderr = &j.stderr
	j.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	j.start()
	return j
}

// judgeFolder returns the folder for pipes, captures and the report.
func judgeFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "fulcrum-judge-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			os.RemoveAll(folder)
		}
	})
	return folder
}

func (j *judge) start() {
	j.t.Helper()
	stdin, err := j.command.StdinPipe()
	if err != nil {
		j.t.Fatal(err)
	}
	stdout, err := j.command.StdoutPipe()
	if err != nil {
		j.t.Fatal(err)
	}
	if err := j.command.Start(); err != nil {
		j.t.Fatalf("no judge, run third_party/install.sh: %v", err)
	}
	j.stdin, j.stdout = stdin, bufio.NewReader(stdout)
	j.t.Cleanup(func() {
		_ = j.command.Process.Kill() // it may have ended
		_ = j.command.Wait()
		if j.t.Failed() {
			j.t.Logf("the judge's log:\n%s", j.stderr.String())
		}
	})
}

// await reads until the judge prints a word.
func (j *judge) await(word string) {
	j.t.Helper()
	line, err := j.stdout.ReadString('\n')
	if strings.TrimSpace(line) != word {
		_ = j.command.Wait() // waits for all of stderr
		j.t.Fatalf("the judge said %q instead of %q: %v\n%s", line, word, err, j.stderr.String())
	}
}

// hold runs the director before the judge, which must find no mistake.
func (j *judge) hold() {
	j.t.Helper()
	if err := j.verdict(); err != nil {
		j.t.Error(err)
	}
}

// verdict runs the director before the judge and returns the mistakes that it finds.
func (j *judge) verdict() error {
	j.t.Helper()
	j.await("ready")
	report := filepath.Join(j.folder, "report.json")
	p := newProgram(j.t, "run", "--config", filepath.Join(j.folder, "director.toml"), "--report", report).start().awaitReady()
	j.await("done")
	p.signal(syscall.SIGTERM)
	if status := p.end(); status != 0 {
		j.t.Fatalf("exit status %d:\n%s", status, p.stderr.String())
	}
	readReport(j.t, report) // checks the conservation law
	fmt.Fprintln(j.stdin, "judge")
	findings, err := io.ReadAll(j.stdout)
	if err != nil {
		j.t.Fatal(err)
	}
	j.t.Logf("%s", findings)
	if err := j.command.Wait(); err != nil {
		return fmt.Errorf("%s: %w", j.stderr.String(), err)
	}
	return nil
}
