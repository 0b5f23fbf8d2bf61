package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// quiet returns testdata/quiet.toml with one text replaced by another.
func quiet(t *testing.T, old, changed string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/quiet.toml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("testdata/quiet.toml has no %q", old)
	}
	return strings.Replace(string(text), old, changed, 1)
}

const quietDevice = "net_null0,no-rx=1"

// TestMistakesOfTheMachine has mistakes that only the start of the director can find.
func TestMistakesOfTheMachine(t *testing.T) {
	needRoot(t)
	cases := []struct {
		name, old, changed string
		says               []string // all of them in one line
	}{
		{"interface", quietDevice, "net_af_packet0,iface=nosuch0", []string{`port "front"`, "check that interface nosuch0 exists", "ip link show nosuch0"}},
		{"PCI address", quietDevice, "0000:ff:1f.7", []string{`port "front" (0000:ff:1f.7)`, "no such device", "dpdk-devbind.py --status"}},
		{"capture file", quietDevice, "net_pcap0,rx_pcap=/nosuch/in.pcap,tx_pcap=/nosuch/out.pcap", []string{`port "front"`, "rx_pcap", "/nosuch/in.pcap", "No such file"}},
		{"huge pages", "\"off\"\nmemory = \"64MiB\"", "\"on\"\nmemory = \"1TiB\"", []string{"huge pages", "vm.nr_hugepages=524288", "auto or off"}},
		{"buffers", "rx_descriptors = 128", "rx_descriptors = 4096\nmtu = 9600", []string{`port "front"`, "buffers", "give DPDK more memory, or the port fewer descriptors"}},
		{"EAL argument", `memory = "64MiB"`, "memory = \"64MiB\"\nargs = [\"--frob\"]", []string{"starting DPDK", "--frob", "further EAL arguments"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newProgram(t, "run", "--config", writeFile(t, "bad.toml", quiet(t, c.old, c.changed))).start()
			p.refused(1, c.says...)
		})
	}
}

// refused waits for the end of a program, which must print one sentence about why it does not
// start.
func (p *program) refused(status int, says ...string) {
	p.t.Helper()
	if got := p.end(); got != status {
		p.t.Errorf("exit status %d, want %d", got, status)
	}
	p.checkNothingLeft()
	said := p.complaints()
	if len(said) != 1 || !strings.HasPrefix(p.lastLine(), "fulcrum: ") {
		p.t.Fatalf("want one sentence that starts with \"fulcrum: \", got\n%s", p.stderr.String())
	}
	for _, words := range says {
		if !strings.Contains(said[0], words) {
			p.t.Errorf("%q does not say %q", said[0], words)
		}
	}
	if out := p.stdout.String(); out != "" {
		p.t.Errorf("stdout has %q", out)
	}
}

// TestSessionsBeyondMemory limits the memory of the child. To ask for more than the machine has
// would not do: a kernel that overcommits might grant it.
func TestSessionsBeyondMemory(t *testing.T) {
	sessions := quiet(t, "max = 1_000", "max = 200_000_000")
	withSpace(t, 8000, sessions).refused(1, "200000000 sessions", "address space is limited to 8000 MiB",
		"ulimit -v", "lower session.max")
}

// TestLittleAddressSpace takes away more and more of what Go, DPDK and the director reserve. Each
// of them ends the process in its own way, if it is let.
func TestLittleAddressSpace(t *testing.T) {
	for _, mib := range []int{100, 400, 800, 1200, 1500, 2000, 2048, 2300} {
		p := withSpace(t, mib, quiet(t, "", ""))
		p.refused(1, fmt.Sprintf("address space is limited to %d MiB", mib), "ulimit -v")
	}
	withSpace(t, 6000, quiet(t, "\"off\"", "\"auto\"")).awaitReady().endsWell()
}

// withSpace starts a director whose address space is limited.
func withSpace(t *testing.T, mib int, config string) *program {
	return inShell(t, fmt.Sprintf("ulimit -v %d", mib<<10), config).start()
}

// inShell prepares a director that a shell becomes after a command.
func inShell(t *testing.T, command, config string) *program {
	needRoot(t)
	p := newProgram(t, "run", "--config", writeFile(t, "director.toml", config))
	limited := append([]string{"-c", command + ` && exec "$0" "$@"`, p.command.Path}, p.command.Args[1:]...)
	sh := exec.Command("/bin/sh", limited...)
	sh.Stdout, sh.Stderr, sh.SysProcAttr = p.command.Stdout, p.command.Stderr, p.command.SysProcAttr
	p.command = sh
	return p
}

// TestMemoryOfControlGroup has a director in a control group that has too little memory for its
// sessions, or just enough. The kernel would kill it without a word.
func TestMemoryOfControlGroup(t *testing.T) {
	group, limit := memoryGroup(t)
	inGroup := func(mib int, config string) *program {
		if err := os.WriteFile(limit, []byte(strconv.Itoa(mib<<20)), 0o644); err != nil {
			t.Fatal(err)
		}
		return inShell(t, "echo $$ > "+filepath.Join(group, "cgroup.procs"), config).start()
	}
	million := quiet(t, "max = 1_000", "max = 1_000_000")
	inGroup(100, million).refused(1, "session table", "of the control group", filepath.Base(limit),
		"lower session.max")
	inGroup(300, million).awaitReady().endsWell()
	inGroup(40, quiet(t, "rx_descriptors = 128", "rx_descriptors = 4096\nmtu = 9000")).
		refused(1, `port "front"`, "of the control group", "fewer descriptors")
}

// endsWell stops the program, which has run until then.
func (p *program) endsWell() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.end(); code != 0 {
		p.t.Errorf("status %d:\n%s", code, p.stderr.String())
	}
}

// memoryGroup makes a control group, and returns its folder and the file with its limit.
func memoryGroup(t *testing.T) (group, limit string) {
	t.Helper()
	needRoot(t)
	for _, c := range []struct{ root, limit string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"},
	} {
		group = filepath.Join(c.root, fmt.Sprintf("fulcrum-test-%d", os.Getpid()))
		if os.Mkdir(group, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			eventually(t, "the end of "+group, func() bool { return os.Remove(group) == nil })
		})
		if _, err := os.Stat(filepath.Join(group, c.limit)); err == nil {
			return group, filepath.Join(group, c.limit)
		}
	}
	t.Skip("control groups for memory cannot be made here")
	return "", ""
}

// TestNotRoot runs the director as another user.
func TestNotRoot(t *testing.T) {
	needRoot(t)
	socket := quiet(t, quietDevice, "net_af_packet0,iface=lo")
	asNobody(t, "run", "--config", publicFile(t, socket, 0o644)).
		refused(1, "without CAP_NET_RAW and CAP_NET_ADMIN", "permission denied", "run it as root")
	asNobody(t, "run", "--config", publicFile(t, quiet(t, "", ""), 0o600)).
		refused(1, "cannot read the configuration", "permission denied", "name a readable")
	asNobody(t, "lab").refused(1, "needs root", "sudo")
	asNobody(t, "lab", "clean").refused(1, "needs root", "sudo")
}

// TestRightsWithoutRoot runs the director as another user with the capabilities that its device
// needs, and nothing more.
func TestRightsWithoutRoot(t *testing.T) {
	needRoot(t)
	for device, rights := range map[string][]uintptr{
		quietDevice:               nil,
		"net_af_packet0,iface=lo": {unix.CAP_NET_RAW, unix.CAP_NET_ADMIN},
	} {
		file := publicFile(t, quiet(t, quietDevice, device), 0o644)
		folder := filepath.Dir(file)
		if err := os.Chown(folder, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		p := nobody(t, "run", "--config", file)
		p.command.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+folder)
		p.command.SysProcAttr.AmbientCaps = rights
		p.command.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET // "lo" is this test's alone
		p.start().awaitReady().endsWell()
	}
}

// asNobody starts the program under another uid.
func asNobody(t *testing.T, arguments ...string) *program { return nobody(t, arguments...).start() }

// nobody prepares the program for another uid. It starts the file through /proc/self, because
// other users cannot enter its folder.
func nobody(t *testing.T, arguments ...string) *program {
	p := newProgram(t, arguments...)
	p.command.Path, p.command.Dir = "/proc/self/exe", "/"
	p.command.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: 65534, Gid: 65534},
	}
	return p
}

// publicFile writes a file into a folder that every user may enter. They may not enter t.TempDir.
func publicFile(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "fulcrum-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	path := filepath.Join(folder, "director.toml")
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMistakesOfTheFile needs neither root nor DPDK. Every problem is printed with its place.
func TestMistakesOfTheFile(t *testing.T) {
	bad := writeFile(t, "bad.toml", "[director]\nidle = 1\nspeed = 9\n")
	syntax := writeFile(t, "syntax.toml", "idle = = 1\n")
	device := writeFile(t, "device.toml", quiet(t, quietDevice, "net_af_paket0,iface=eth1"))
	cpu := writeFile(t, "cpu.toml", quiet(t, "workers = 1", "workers = [1023]"))
	keepalived := writeFile(t, "keepalived.conf", "! comment\nvrrp_instance VI_1 {\n  interface eth0\n}\n")
	dpvs := writeFile(t, "dpvs.conf", "! comment\nglobal_defs {\n}\nnetif_defs {\n}\n")
	folder := t.TempDir()
	cases := []struct {
		name, file string
		lines      []string // the beginnings of the printed lines
	}{
		{"absent", "/nosuch/director.toml", []string{"fulcrum: cannot read the configuration: open /nosuch/director.toml: no such file or directory; name a readable TOML file"}},
		{"folder", folder, []string{"fulcrum: cannot read the configuration: read " + folder + ": is a directory"}},
		{"syntax", syntax, []string{syntax + ":1: syntax: "}},
		{"device", device, []string{device + `:12: port.device: unknown device "net_af_paket0,iface=eth1"; did you mean "net_af_packet0,iface=eth1"?`}},
		{"CPU", cpu, []string{cpu + ":4: director.workers: this machine has no CPU 1023, or it is offline; use CPUs of "}},
		{"keepalived", keepalived, []string{keepalived + ":2: syntax: is a keepalived.conf, not TOML; convert its services: fulcrum import keepalived " + keepalived}},
		{"DPVS", dpvs, []string{dpvs + ":4: syntax: is a dpvs.conf, not TOML; convert it: fulcrum import dpvs " + dpvs}},
		{"problems", bad, []string{bad + ":1: port: is missing", bad + ":2: director.idle: is an integer", bad + ":3: director.speed: "}},
	}
	for _, c := range cases {
		for _, command := range []string{"run", "check"} {
			t.Run(c.name+"/"+command, func(t *testing.T) {
				t.Parallel()
				complains(t, c.lines, command, c.file)
			})
		}
	}
}

// complains expects that a command fails and prints lines that begin as given.
func complains(t *testing.T, want []string, arguments ...string) {
	t.Helper()
	p := newProgram(t, arguments...).start()
	if status := p.end(); status != 1 {
		t.Errorf("exit status %d", status)
	}
	lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
	if len(lines) != len(want) || p.stdout.String() != "" {
		t.Fatalf("%d lines, want %d:\n%s%s", len(lines), len(want), p.stderr.String(), p.stdout.String())
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("%q does not begin with %q", line, want[i])
		}
	}
}

// TestReportThatCannotBeWritten: the error comes before anything is started, not at the end.
func TestReportThatCannotBeWritten(t *testing.T) {
	needRoot(t)
	p := newProgram(t, "run", "--config", "testdata/quiet.toml", "--idle-exit", "10ms", "--report", "/nosuch/report.json").start()
	if status := p.end(); status != 1 || strings.Contains(p.stderr.String(), "director ready") {
		t.Errorf("exit status %d, stderr %q", status, p.stderr.String())
	}
	if want := "fulcrum: write the report: open /nosuch/report.json: no such file or directory; see --report"; p.lastLine() != want {
		t.Errorf("it says %q, want %q", p.lastLine(), want)
	}
	p.checkNothingLeft()
}
