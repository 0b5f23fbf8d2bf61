package dpdk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fulcrum/ports"
)

const childVariable = "FULCRUM_DPDK_CHILD"

// children are the functions that this binary runs in a process of its own. It prints the errors
// that they return.
var children = map[string]func() error{
	"hold":           hold,
	"twice":          twice,
	"affinity":       affinity,
	"open ports":     openPorts,
	"least memory":   leastMemory,
	"huge pages on":  func() error { return startOnly(Config{HugePages: "on", Memory: 1 << 50}) },
	"bonding":        bonding,
	"bad argument":   func() error { return startOnly(Config{HugePages: "off", Args: []string{"--no-such-thing"}}) },
	"missing CPU":    func() error { return startOnly(Config{HugePages: "off", CPU: 4000}) },
	"bad device":     func() error { return startOnly(Config{HugePages: "off", Args: []string{"--vdev=net_nope0"}}) },
	"without memory": func() error { return startOnly(Config{HugePages: "off", Memory: 1 << 50}) },
	"not root":       notRoot,
	"beside":         beside,
	"xdp":            takeXDP,
}

func runChild(name string) int {
	if err := children[name](); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func startOnly(c Config) error {
	e, err := Start(c)
	if err != nil {
		return err
	}
	return e.Close()
}

// hold moves packets, reports that it is ready, and ends at the end of its input.
func hold() error {
	e, err := Start(Config{HugePages: "off", Memory: 64 << 20})
	if err != nil {
		return err
	}
	p, err := e.OpenPort(PortConfig{Name: "front", Device: "net_null0"})
	if err != nil {
		return err
	}
	var rx ports.Burst
	p.Queue(0).Exchange(nil, nil, &rx)
	fmt.Println("ready with", rx.N)
	io.Copy(io.Discard, os.Stdin)
	p.Queue(0).Exchange(nil, &rx, nil)
	return errors.Join(p.Close(), e.Close())
}

func twice() error {
	e, err := Start(Config{HugePages: "off", Memory: 64 << 20})
	if err != nil {
		return err
	}
	_, second := Start(Config{HugePages: "off"})
	return errors.Join(second, e.Close())
}

// affinity checks that the caller has the same CPU affinity after Start, though DPDK pins its
// thread meanwhile.
func affinity() error {
	runtime.LockOSThread()
	var before, after unix.CPUSet
	unix.SchedGetaffinity(0, &before)
	e, err := Start(Config{HugePages: "off", Memory: 64 << 20})
	if err != nil {
		return err
	}
	unix.SchedGetaffinity(0, &after)
	if before != after {
		return fmt.Errorf("affinity was %v and is %v", before, after)
	}
	return e.Close()
}

func openPorts() error {
	e, err := Start(Config{HugePages: "off", Memory: 64 << 20})
	if err != nil {
		return err
	}
	p, err := e.OpenPort(PortConfig{Name: "front", Device: "net_ring0"})
	if err != nil {
		return err
	}
	var kept ports.Burst
	p.Queue(0).Alloc(&kept, 60)
	if err := e.Close(); err != nil {
		return err
	}
	fmt.Println(strings.Join(e.Notes(), "\n"))
	_, err = e.OpenPort(PortConfig{Name: "front", Device: "net_ring0"})
	return err
}

// leastMemory opens two ports with default descriptors in the smallest memory that the
// configuration accepts.
func leastMemory() error {
	e, err := Start(Config{HugePages: "off", Memory: 64 << 20})
	if err != nil {
		return err
	}
	for _, name := range []string{"net_null0", "net_null1"} {
		_, opened := e.OpenPort(PortConfig{
			Name: name, Device: name, AllTxDescriptors: 2 * defaultDescriptors,
		})
		err = errors.Join(err, opened)
	}
	return errors.Join(err, e.Close())
}

func notRoot() error {
	if err := unix.Setresuid(65534, 65534, 65534); err != nil {
		return err
	}
	return startOnly(Config{Devices: []string{"net_af_packet0,iface=lo"}})
}

func child(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	needRoot(t)
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), childVariable+"="+name)
	return c
}

func TestStartErrors(t *testing.T) {
	for name, says := range map[string]string{
		"twice":          "starting DPDK a second time",
		"huge pages on":  "sysctl vm.nr_hugepages=",
		"bad argument":   "no-such-thing",
		"missing CPU":    "check the CPU numbers",
		"bad device":     "net_nope0",
		"without memory": "memory",
		"not root":       "without CAP_NET_RAW and CAP_NET_ADMIN: permission denied; run it as root, or",
		"open ports":     "DPDK has been stopped",
	} {
		t.Run(name, func(t *testing.T) {
			c := child(t, name)
			output, err := c.CombinedOutput()
			t.Logf("%s", output)
			if c.ProcessState.ExitCode() != 1 {
				t.Errorf("ended with %v", err)
			}
			if !strings.Contains(string(output), says) {
				t.Errorf("does not say %q", says)
			}
			if err := nothingIn(runtimeParent(), c.Process.Pid); err != nil {
				t.Error(err)
			}
		})
	}
}

// DPDK's own output does not reach the terminal; only the error does.
func TestTerminalIsQuiet(t *testing.T) {
	output, _ := child(t, "bad argument").CombinedOutput()
	if lines := strings.Count(string(output), "\n"); lines != 1 {
		t.Errorf("%d lines on the terminal:\n%s", lines, output)
	}
}

func TestAffinityIsPutBack(t *testing.T) {
	if output, err := child(t, "affinity").CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("%v: %s", err, output)
	}
}

func TestLeastMemory(t *testing.T) {
	if output, err := child(t, "least memory").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}

func TestBuffersNeverFreed(t *testing.T) {
	output, _ := child(t, "open ports").CombinedOutput()
	if !strings.Contains(string(output), `port "front": 1 buffers were never freed`) {
		t.Errorf("notes are:\n%s", output)
	}
}

// holder starts a child that holds DPDK until it is released.
type holder struct {
	*exec.Cmd
	input io.WriteCloser
}

func startHolder(t *testing.T) holder {
	t.Helper()
	c := child(t, "hold")
	input, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(output).ReadString('\n')
	if line != fmt.Sprintf("ready with %d\n", ports.MaxBurst) {
		t.Fatalf("the child says %q", line)
	}
	return holder{c, input}
}

func TestSideBySide(t *testing.T) {
	first, second := startHolder(t), startHolder(t)
	for _, h := range []holder{first, second} {
		h.input.Close()
		if err := h.Wait(); err != nil {
			t.Error(err)
		}
		if err := nothingIn(runtimeParent(), h.Process.Pid); err != nil {
			t.Error(err)
		}
	}
}

// A killed process leaves its directory behind. The next process removes that directory and no
// other.
func TestSweepAfterKill(t *testing.T) {
	killed, alive := startHolder(t), startHolder(t)
	killed.Process.Kill()
	killed.Wait()
	if nothingIn(runtimeParent(), killed.Process.Pid) == nil {
		t.Fatal("nothing to sweep")
	}
	third := startHolder(t)
	if err := nothingIn(runtimeParent(), killed.Process.Pid); err != nil {
		t.Error(err)
	}
	if nothingIn(runtimeParent(), alive.Process.Pid) == nil {
		t.Error("the directory of a living process is gone")
	}
	for _, h := range []holder{alive, third} {
		h.input.Close()
		h.Wait()
	}
}

func TestSweepLeavesOthersAlone(t *testing.T) {
	parent := t.TempDir()
	for _, name := range []string{"rte", "fulcrum-1-2", "fulcrum-3-4"} {
		os.Mkdir(filepath.Join(parent, name), 0o755)
	}
	os.WriteFile(filepath.Join(parent, "fulcrum-3-4", lockFile), nil, 0o600)
	d, err := newRuntimeDirectory(parent)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.remove(); err != nil {
		t.Error(err)
	}
	left, _ := filepath.Glob(filepath.Join(parent, "*"))
	if len(left) != 2 || filepath.Base(left[0]) != "fulcrum-1-2" || filepath.Base(left[1]) != "rte" {
		t.Errorf("left are %q", left)
	}
}
