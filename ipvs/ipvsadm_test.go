package ipvs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// stock is Debian's ipvsadm, which reaches the director through a preloaded library.
type stock struct {
	*served
	library string
}

// needTools skips the test without the programs that it runs, unless CI is set.
func needTools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: install it (third_party/packages)", name)
		}
		t.Skipf("needs %s", name)
	}
}

func newStock(t *testing.T, file string) *stock {
	t.Helper()
	needTools(t, "ipvsadm", "gcc")
	library := filepath.Join(t.TempDir(), "preload.so")
	out, err := exec.Command("gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", library,
		"testdata/preload.c").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return &stock{serve(t, file), library}
}

// run runs ipvsadm with the words of a command line and returns what it prints. It fails the test
// if ipvsadm does not exit with 0.
func (s *stock) run(line string) string {
	s.Helper()
	out, err := s.try(line, "")
	if err != nil {
		s.Fatalf("ipvsadm %s: %v\n%s\nthe log:\n%s", line, err, out, s.log)
	}
	return out
}

func (s *stock) try(line, input string) (string, error) {
	c := exec.CommandContext(s.Context(), "ipvsadm", strings.Fields(line)...)
	c.Env = append(os.Environ(), "LD_PRELOAD="+s.library, "FULCRUM_IPVS="+s.socket)
	c.Stdin = strings.NewReader(input)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.String(), err
}

// TestStockLists lists a director's services by the stock ipvsadm.
func TestStockLists(t *testing.T) {
	s := newStock(t, plain+dns)
	want := `IP Virtual Server version 1.2.1 (size=2000)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
UDP  10.0.0.100:53 rr
  -> 10.0.0.11:53                 Masq    1      0          0         
  -> 10.0.0.11:54                 Masq    3      0          0         
`
	if got := s.run("-Ln"); got != want {
		t.Errorf("ipvsadm -Ln prints\n%s\nwant\n%s", got, want)
	}
}
