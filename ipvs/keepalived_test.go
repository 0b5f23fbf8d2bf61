package ipvs

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// failing has two real servers whose checks fail: one that keepalived removes then, and one whose
// weight it sets to 0.
const failing = `virtual_server 10.0.0.100 80 {
  delay_loop 1
  lvs_sched wlc
  lvs_method NAT
  persistence_timeout 60
  protocol TCP
  real_server 10.0.0.11 80 {
    weight 3
    inhibit_on_failure
    CHECK
  }
  real_server 10.0.0.12 80 {
    weight 3
    CHECK
  }
}
`

// TestStockKeepalived has Debian's keepalived administer a director, audited under its name: it adds
// a service, reacts to failing checks, and takes away what it has added.
func TestStockKeepalived(t *testing.T) {
	s := newStock(t, plain)
	needTools(t, "keepalived")
	k := s.keepalived(strings.ReplaceAll(failing, "CHECK",
		"TCP_CHECK { connect_ip 127.0.0.1\nconnect_port "+closedPort(t)+"\nconnect_timeout 1 }"))
	s.eventually("keepalived's verdicts", func() bool {
		c := s.running.Config().Services
		return len(c) == 1 && len(c[0].RealServers) == 1 && c[0].RealServers[0].Weight == 0
	})
	if got := s.audited(); !strings.HasPrefix(got, "keepalived: ipvs ") {
		t.Errorf("the last change is %q", got)
	}
	if err := k.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := k.Wait(); err != nil {
		t.Errorf("keepalived: %v\n%s", err, k.Stdout)
	}
	if got := s.services(); got != "" {
		t.Errorf("keepalived has left\n%s", got)
	}
}

// keepalived starts the checkers of a keepalived with a configuration.
func (s *stock) keepalived(text string) *exec.Cmd {
	s.Helper()
	needRoot(s.T)
	folder := s.TempDir()
	file := filepath.Join(folder, "keepalived.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	c := exec.CommandContext(s.Context(), "keepalived", "--check", "--dont-fork", "--log-console",
		"--use-file", file, "--pid", filepath.Join(folder, "pid"),
		"--checkers_pid", filepath.Join(folder, "checkers"))
	c.Env = append(os.Environ(), "LD_PRELOAD="+s.library, "FULCRUM_IPVS="+s.socket)
	c.Stdout = new(bytes.Buffer)
	c.Stderr = c.Stdout
	if err := c.Start(); err != nil {
		s.Fatal(err)
	}
	return c
}

// closedPort returns a TCP port of the loopback interface where nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
