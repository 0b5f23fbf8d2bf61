package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// inside in the environment says that a test runs in a network namespace of its own.
const inside = "FULCRUM_TEST_NAMESPACE"

// ownNamespace runs the calling test in a network namespace of its own, in a process of its own. It
// returns false in the process that waits for that.
func ownNamespace(t *testing.T) bool {
	t.Helper()
	needRoot(t)
	if os.Getenv(inside) != "" {
		return true
	}
	c := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, asProgram+"=") {
			c.Env = append(c.Env, v)
		}
	}
	c.Env = append(c.Env, inside+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// TestHostAdopt moves addresses to a host interface and back, not without being told to when they
// are the SSH session's.
func TestHostAdopt(t *testing.T) {
	if !ownNamespace(t) {
		return
	}
	shell(t, "ip link set lo up && ip link add eth1 type veth peer name wire && ip link set wire up",
		"ip link set dev eth1 addrgenmode none up && ip address add 10.0.0.1/24 dev eth1",
		"ip route add default via 10.0.0.254")
	file := filepath.Join(t.TempDir(), "fulcrum.toml")
	text := `
[[port]]
name = "front"
device = "net_af_packet0,iface=eth1"
addresses = ["10.0.0.1/24"]
host = "ful-front"
[[port]]
name = "seven"
device = "net_af_packet0,iface=eth1"
vlan = 7
addresses = ["10.7.0.1/24"]
host = "ful-seven"
[[port]]
name = "none"
device = "net_null0"
addresses = ["10.2.0.1/24"]
host = "ful-none"
[[port]]
name = "plain"
device = "net_null1"
addresses = ["10.3.0.1/24"]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	host := func(ssh string, args ...string) (string, error) {
		c := exec.Command(ownBinary(t), append([]string{"host"}, append(args, "--config", file)...)...)
		c.Env = append(os.Environ(), "SSH_CONNECTION="+ssh)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	refused := func(want, ssh string, args ...string) {
		t.Helper()
		if out, err := host(ssh, args...); err == nil || !strings.Contains(out, want) {
			t.Errorf("%v: %v\n%s\nwant %q", args, err, out, want)
		}
	}
	works := func(ssh, want string, args ...string) {
		t.Helper()
		if out, err := host(ssh, args...); err != nil || out != want {
			t.Errorf("%v: %v\n%s\nwant\n%s", args, err, out, want)
		}
	}
	refused("there is no interface ful-front; the director makes the host interface when it starts", "",
		"adopt", "front")
	shell(t, "ip link add ful-front type veth peer name a && ip link set dev ful-front addrgenmode none up")
	const steps = `route del default via 10.0.0.254 dev eth1
address del 10.0.0.1/24 dev eth1
address add 10.0.0.1/24 dev ful-front
route add default via 10.0.0.254 dev ful-front
`
	works("", "sysctl net/ipv6/conf/eth1/accept_ra=0\n"+steps, "adopt", "front", "--dry-run")
	shell(t, "echo 0 > /proc/sys/net/ipv6/conf/eth1/accept_ra",
		"echo 0 > /proc/sys/net/ipv6/conf/ful-front/accept_ra")
	const ssh = "192.0.2.9 50000 10.0.0.1 22"
	refused("10.0.0.1 is the address of the session that this command runs in (SSH_CONNECTION)", ssh,
		"adopt", "front")
	works(ssh, steps, "adopt", "front", "--dry-run")
	works(ssh, steps+"moved from eth1 to ful-front: 4 steps\n", "adopt", "front", "--force")
	works("", "eth1 has nothing to move to ful-front\n", "adopt", "front")
	back := strings.NewReplacer("eth1", "ful-front", "ful-front", "eth1").Replace(steps)
	works("", back+"moved from ful-front to eth1: 4 steps\n", "release", "front")
	refused("the kernel has no interface for VLAN 7 of eth1", "", "adopt", "seven")
	refused("the kernel has no interface for its device net_null0", "", "adopt", "none")
	refused(`port plain has no host interface: give it one with host = "ful-plain"`, "", "adopt", "plain")
	refused(`unknown port "frnt": the ports are front, seven, none, plain`, "", "adopt", "frnt")
}

// shell runs commands.
func shell(t *testing.T, commands ...string) {
	t.Helper()
	for _, command := range commands {
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
}
