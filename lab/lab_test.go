package lab

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fulcrum/config"
	"fulcrum/lvs"
)

// checkGone fails if anything of a lab is left.
func checkGone(t *testing.T, r *record) {
	t.Helper()
	for _, p := range r.Children {
		if p.alive() {
			t.Errorf("%s (process %d) still runs", p.Role, p.PID)
		}
	}
	var files []string
	for _, name := range r.Namespaces {
		files = append(files, namespace(name).path())
	}
	for _, file := range append(files, r.folder(), r.file()) {
		if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left behind", file)
		}
	}
	if mounts, _ := os.ReadFile("/proc/mounts"); strings.Contains(string(mounts), "/fulcrum-"+r.ID+"-") {
		t.Errorf("a namespace of lab %s is still mounted", r.ID)
	}
}

// TestTrial runs a trial in every mode over the stand-in. It proves the network, the preparation of
// the real servers, the clients and the judgement.
func TestTrial(t *testing.T) {
	needRoot(t)
	for _, mode := range Modes() {
		for arms := 1; arms <= 2; arms++ {
			t.Run(mode.String()+[]string{"", "/one-arm", "/two-arm"}[arms], func(t *testing.T) {
				trial := Trial{
					Lab: testConfig(mode, arms), Requests: 60, Concurrency: 8, Echoes: 12, TransferBytes: 2 << 20,
				}
				var progress strings.Builder
				r := trial.Run(t.Context(), &progress)
				if !r.Green() {
					t.Errorf("%s\n%s\nfailures: %s\nlog: %s", &progress, mode, strings.Join(r.Failures, "\n"),
						r.DirectorLog)
				}
			})
		}
	}
}

func TestKeepAliveUsesOneConnection(t *testing.T) {
	l := newTestLab(t, testConfig(lvs.NAT, 2))
	if err := l.StartDirector(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := l.NewClient(ClientConfig{KeepAlive: true, Source: l.Clients()[3]})
	defer c.Close()
	first, err := c.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first.Client != second.Client || first.Client.Addr() != l.Clients()[3] {
		t.Errorf("two requests came from %s and %s; one connection from %s was wanted", first.Client,
			second.Client, l.Clients()[3])
	}
}

func TestRestartAndKill(t *testing.T) {
	l := newTestLab(t, testConfig(lvs.DR, 2))
	c := l.NewClient(ClientConfig{})
	defer c.Close()
	serves := func() {
		t.Helper()
		if _, err := c.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	steps := []func() error{
		func() error { return l.StartDirector(t.Context()) },
		func() error { _, err := l.RestartDirector(t.Context()); return err },
		func() error { return errors.Join(l.KillDirector(), l.StartDirector(t.Context())) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
		serves()
	}
	if l.StartDirector(t.Context()) == nil {
		t.Error("a second director started beside the first")
	}
}

func TestSideBySide(t *testing.T) {
	a, b := newTestLab(t, testConfig(lvs.DR, 2)), newTestLab(t, testConfig(lvs.FullNAT, 1))
	if a.ID() == b.ID() {
		t.Fatalf("both labs are %s", a.ID())
	}
	for _, l := range []*Lab{a, b} {
		if err := l.StartDirector(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range []*Lab{a, b, a, b} {
		c := l.NewClient(ClientConfig{})
		if _, err := c.Get(t.Context()); err != nil {
			t.Error(err)
		}
		c.Close()
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	c := b.NewClient(ClientConfig{})
	defer c.Close()
	if _, err := c.Get(t.Context()); err != nil {
		t.Errorf("closing one lab broke the other: %v", err)
	}
}

func TestCloseIsIdempotent(t *testing.T) {
	l := newTestLab(t, testConfig(lvs.NAT, 2))
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
}

// TestFailedSetup fails in the last step of the set-up, when most has been made, and by an
// interrupt in its middle.
func TestFailedSetup(t *testing.T) {
	needRoot(t)
	c := testConfig(lvs.NAT, 2)
	c.Binary = "/bin/false"
	if _, err := New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "rs1 ended") {
		t.Errorf("real servers that end at once gave %v", err)
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(interrupted, testConfig(lvs.NAT, 2)); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted set-up gave %v", err)
	}
	leftovers, _ := filepath.Glob(namespace(namespaceName(labID(1), "*")).path())
	records, _ := filepath.Glob(filepath.Join(recordFolder, labID(1)+"*"))
	if all := slices.Concat(leftovers, records); len(all) > 0 {
		t.Errorf("left behind: %v", all)
	}
}

// TestKilledOwner kills a process that holds a lab. Its children must die with it, and a sweep must
// find the rest.
func TestKilledOwner(t *testing.T) {
	needRoot(t)
	owner := exec.Command(testConfig(lvs.NAT, 2).Binary, "hold")
	output, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal("the owner of the lab ended early: ", err)
	}
	r := findRecord(t, strings.TrimSpace(id))
	if _, busy, _ := Clean(r.ID); !slices.Contains(busy, r.ID) {
		t.Error("a lab in use was not left alone")
	}
	owner.Process.Kill()
	owner.Wait()
	allDead := func() (bool, error) {
		return !slices.ContainsFunc(r.Children, Process.alive), nil
	}
	if err := poll(t.Context(), 5*time.Second, allDead, "the children to die with their owner"); err != nil {
		t.Error(err)
	}
	if swept, err := Sweep(); err != nil || !slices.Contains(swept, r.ID) {
		t.Errorf("the sweep removed %v (%v), not lab %s", swept, err, r.ID)
	}
	checkGone(t, r)
}

func findRecord(t *testing.T, id string) *record {
	t.Helper()
	records, err := readRecords()
	i := slices.IndexFunc(records, func(r *record) bool { return r.ID == id })
	if err != nil || i < 0 {
		t.Fatalf("lab %s is not on record: %v", id, err)
	}
	if got, want := len(records[i].Children), realServers+1; got != want {
		t.Errorf("%d children are on record, not %d", got, want)
	}
	return records[i]
}

func TestKeptLabIsCleanedByName(t *testing.T) {
	needRoot(t)
	c := testConfig(lvs.IPIP, 2)
	c.Outlive = true
	l, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.StartDirector(t.Context()), l.Keep(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if swept, _ := Sweep(); slices.Contains(swept, l.ID()) {
		t.Error("a kept lab was swept")
	}
	client := l.NewClient(ClientConfig{})
	if _, err := client.Get(t.Context()); err != nil {
		t.Errorf("a kept lab does not serve: %v", err)
	}
	client.Close()
	if removed, _, err := Clean(l.ID()); err != nil || !slices.Contains(removed, l.ID()) {
		t.Errorf("cleaning removed %v (%v), not lab %s", removed, err, l.ID())
	}
	checkGone(t, l.record)
}

func TestAnotherProcessOfTheSameNumberIsSpared(t *testing.T) {
	program := exec.Command("/bin/cat")
	input, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := identify("cat", program.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	p.Started++
	if err := errors.Join(p.end(), p.signal(syscall.SIGKILL)); err != nil {
		t.Error(err)
	}
	input.Close()
	if err := program.Wait(); err != nil {
		t.Errorf("it was signalled: %v", err)
	}
}

func TestOffloadsAreOff(t *testing.T) {
	l := newTestLab(t, testConfig(lvs.NAT, 2))
	for _, n := range l.plan.networks {
		for _, e := range n.ends {
			for role, device := range map[string]string{e.role: e.device, roleRouter: e.plug} {
				on, err := offloadsIn(l.namespace(role), device)
				if err != nil || len(on) > 0 {
					t.Errorf("%s in %s has %v on (%v)", device, role, on, err)
				}
			}
		}
	}
}

func offloadsIn(ns namespace, device string) (on []string, err error) {
	err = ns.do(func() error {
		on, err = activeOffloads(device, offloads)
		return err
	})
	return on, err
}

// TestDirectorHasNoAddress: every packet that leaves the director's namespace must be the
// director's own.
func TestDirectorHasNoAddress(t *testing.T) {
	l := newTestLab(t, testConfig(lvs.NAT, 2))
	err := l.namespace(roleDirector).do(func() error {
		devices, err := net.Interfaces()
		for _, device := range devices {
			addresses, addressErr := device.Addrs()
			err = errors.Join(err, addressErr)
			if device.Name != "lo" && len(addresses) > 0 {
				t.Errorf("%s has %v", device.Name, addresses)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestRealServersKeepTheVIPQuiet asks each real server by ARP for its own address, which it must
// answer, and for the VIP, which it must not answer.
func TestRealServersKeepTheVIPQuiet(t *testing.T) {
	for _, mode := range []lvs.Mode{lvs.DR, lvs.IPIP} {
		t.Run(mode.String(), func(t *testing.T) {
			l := newTestLab(t, testConfig(mode, 1))
			for _, rs := range l.RealServers() {
				checkQuiet(t, l, rs)
			}
		})
	}
}

// checkQuiet asks for the VIP first. Once the second question is answered, an answer to the first
// would have come.
func checkQuiet(t *testing.T, l *Lab, rs RealServer) {
	t.Helper()
	w, err := l.RealServerWire(rs.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	router, mac := l.plan.serverRouter(), macOf(l.plan.serverRouter())
	broadcast := net.HardwareAddr{255, 255, 255, 255, 255, 255}
	err = errors.Join(w.Send(arpFrame(1, mac, router, broadcast, l.VIP())),
		w.Send(arpFrame(1, mac, router, broadcast, rs.Web.Addr())))
	if err != nil {
		t.Fatal(err)
	}
	isReply := func(frame []byte) bool {
		return len(frame) >= 42 && frame[12] == 8 && frame[13] == 6 && frame[21] == 2
	}
	reply, err := w.Await(5*time.Second, isReply)
	if err != nil {
		t.Fatal(err)
	}
	if from := net.IP(reply[28:32]).String(); from != rs.Web.Addr().String() {
		t.Errorf("%s answered for %s before %s", rs.Name, from, rs.Web.Addr())
	}
}

func TestRootNamespaceStaysClean(t *testing.T) {
	before, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	newTestLab(t, testConfig(lvs.DR, 2))
	after, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	if len(before) != len(after) {
		t.Errorf("the root namespace has %d devices instead of %d", len(after), len(before))
	}
}

// TestDirectorFile: the director accepts the configuration that the lab writes.
func TestDirectorFile(t *testing.T) {
	for _, mode := range Modes() {
		for arms := 1; arms <= 2; arms++ {
			l := newTestLab(t, testConfig(mode, arms))
			file, err := l.DirectorFile()
			if err != nil {
				t.Fatal(err)
			}
			c, err := config.Load(file)
			if err != nil {
				t.Fatalf("%s with %d arms: %v", mode, arms, err)
			}
			if len(c.Ports) != arms || len(c.Services) != 2 ||
				len(c.Services[0].RealServers) != realServers {
				t.Errorf("%s with %d arms: %d ports, services %v", mode, arms, len(c.Ports), c.Services)
			}
		}
	}
}

func TestConfigValidate(t *testing.T) {
	good := testConfig(lvs.NAT, 0)
	if err := good.Validate(); err != nil || good.Arms != 2 || good.Scheduler != lvs.RR ||
		!slices.Equal(good.Weights, []int{1, 1, 1}) {
		t.Errorf("the defaults came out as %+v, %v", good, err)
	}
	for want, breakIt := range map[string]func(*Config){
		"mode":                   func(c *Config) { c.Mode = lvs.NoMode },
		"arms":                   func(c *Config) { c.Arms = 3 },
		"weights":                func(c *Config) { c.Weights = []int{1} },
		"number of real servers": func(c *Config) { c.Servers = MaxRealServers + 1 },
	} {
		c := testConfig(lvs.NAT, 2)
		breakIt(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v gave %v, which does not speak of %q", c, err, want)
		}
	}
}

func TestLabWithoutProgram(t *testing.T) {
	needRoot(t)
	c := testConfig(lvs.NAT, 2)
	c.Binary = "/nonexistent"
	if _, err := New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("%v does not say how to make the program", err)
	}
}

func TestFailedTrialSaysWhy(t *testing.T) {
	needRoot(t)
	c := testConfig(lvs.NAT, 2)
	c.Binary = "/bin/false"
	r := Trial{Lab: c, Requests: 1, Concurrency: 1}.Run(t.Context(), io.Discard)
	var table strings.Builder
	WriteTable(&table, []Result{r})
	if r.Green() || !strings.Contains(table.String(), "FAIL  nat") ||
		!strings.Contains(table.String(), "rs1 ended") {
		t.Errorf("a failed trial shows as:\n%s", &table)
	}
}
