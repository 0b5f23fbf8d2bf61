package ipvs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fulcrum/config"
	"fulcrum/ipvsadm"
	"fulcrum/lvs"
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

// needRoot skips a test without root, unless CI is set.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("needs root")
	}
	t.Skip("needs root")
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

// own is what the director's own dialect makes of a configuration by the same command.
func own(t *testing.T, c *config.Config, line string) (*config.Config, error) {
	t.Helper()
	k, err := ipvsadm.Parse(strings.Fields(line))
	if err != nil {
		t.Fatal(err)
	}
	return ipvsadm.Changed(c, []ipvsadm.Command{k})
}

// TestStockChanges has the stock ipvsadm and the director's own dialect make the same changes, with
// the same results.
func TestStockChanges(t *testing.T) {
	s := newStock(t, plain+dns)
	want := s.running.Config()
	for _, line := range []string{
		"-A -t 10.0.0.100:80 -s mh -b mh-port,mh-fallback",
		"-a -t 10.0.0.100:80 -r 10.0.0.11:8080 -m -w 5 -x 100 -y 80",
		"-a -t 10.0.0.100:80 -r 10.0.0.12 -g",
		"-a -t 10.0.0.100:80 -r 10.0.0.13 -i --tun-type ipip -w 0",
		"-e -t 10.0.0.100:80 -r 10.0.0.11:8080 -m -w 7",
		"-e -t 10.0.0.100:80 -r 10.0.0.12 -i -w 3",
		"-d -t 10.0.0.100:80 -r 10.0.0.13",
		"-E -t 10.0.0.100:80 -s sh -b sh-port -p 300 -M 255.255.255.0",
		"-E -t 10.0.0.100:80 -s wrr",
		"-E -u 10.0.0.100:53 -s sh -o",
		"-A -u 10.0.0.100:5060 -s rr -p 60 --pe sip",
		"-A -t 10.0.0.101:0 -p -s wlc",
		"-a -t 10.0.0.101:0 -r 10.0.0.14:0 -g",
		"-A -f 7 -s rr -p 10",
		"-a -f 7 -r 10.0.0.15 -m",
		"-A -f 7 -6 -s sed",
		"-a -f 7 -6 -r [fd00::15]:0 -g",
		"-A -t [fd00::100]:80 -s nq -p 9 -M 64",
		"-a -t [fd00::100]:80 -r [fd00::11]:80 -g -w 65535",
		"-A --sctp-service 10.0.0.100:80 -s lblcr",
		"--set 100 0 20",
		"-D -t 10.0.0.100:80",
	} {
		var err error
		if want, err = own(t, want, line); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		s.run(line)
		if got, want := s.services(), config.RenderServices(want.Services); got != want {
			t.Fatalf("after %s:\n%s\nwant\n%s", line, got, want)
		}
		if got := s.running.Config().Session.Timeouts; got != want.Session.Timeouts {
			t.Errorf("after %s: timeouts %v", line, got)
		}
		if got := s.audited(); !strings.HasPrefix(got, "ipvsadm: ipvs ") {
			t.Errorf("after %s the last change is %q", line, got)
		}
	}
	if all := s.running.Overrides(); len(all) < 9 {
		t.Errorf("overrides: %v", all)
	}
	s.run("-C")
	if got := s.running.Config().Services; len(got) != 0 {
		t.Errorf("after -C there are %d services", len(got))
	}
}

// TestStockErrors has the stock ipvsadm make mistakes. It says what it says about the kernel's.
func TestStockErrors(t *testing.T) {
	s := newStock(t, plain+dns)
	for _, tt := range []struct{ line, says, logged string }{
		{"-A -u 10.0.0.100:53", "Service already exists", ""},
		{"-D -t 10.0.0.100:53", "No such service", ""},
		{"-E -t 10.0.0.100:53", "No such service", ""},
		{"-Z -t 10.0.0.100:53", "No such service", ""},
		{"-a -t 10.0.0.100:53 -r 10.0.0.11:53", "Service not defined", ""},
		{"-a -u 10.0.0.100:53 -r 10.0.0.11:53 -m", "Destination already exists", ""},
		{"-d -u 10.0.0.100:53 -r 10.0.0.19:53", "No such destination", ""},
		{"-e -u 10.0.0.100:53 -r 10.0.0.19:53", "No such destination", ""},
		{"-A -t 10.0.0.100:80 -s best", "Scheduler or persistence engine not found",
			`unknown scheduler`},
		{"-a -u 10.0.0.100:53 -r 10.0.0.1:53 -m", "Invalid operation", "belongs to the director"},
		{"-a -u 10.0.0.100:53 -r 224.0.0.1:53 -m", "Invalid operation", "multicast"},
		{"-a -u 10.0.0.100:53 -r 10.0.0.20:53 -m -y 9", "Numerical result out of range", ""},
		{"-a -u 10.0.0.100:53 -r 10.0.0.20:53 -i --tun-type gre", "Invalid operation", "only ipip"},
		{"-a -u 10.0.0.100:53 -r [fd00::20]:53 -m", "Different address family", ""},
		{"-A -f 9", "Invalid operation", "no mark has number 9"},
		{"-A -t 10.0.0.107:80", "Invalid operation", "is a match of mark 7"},
		{"--set 1000000 0 0", "Invalid operation", "the longest is 168h"},
		{"--start-daemon master", "Protocol not available", "no synchronisation"},
		{"--stop-daemon master", "No daemon is running", ""},
	} {
		out, err := s.try(tt.line, "")
		if err == nil || !strings.Contains(out, tt.says) {
			t.Errorf("%s: %v, %q; want %q", tt.line, err, out, tt.says)
		}
		if !strings.Contains(s.log.String(), tt.logged) {
			t.Errorf("%s: the log has no %q:\n%s", tt.line, tt.logged, s.log)
		}
		if tt.logged == "" && strings.Contains(s.log.String(), tt.line[:2]) {
			t.Errorf("%s is logged: %s", tt.line, s.log)
		}
	}
	if all := s.running.Overrides(); len(all) != 0 {
		t.Errorf("what was refused has changed something: %v", all)
	}
}

// listed is what the director's own dialect lists.
func (s *stock) listed(line string) string {
	s.Helper()
	k, err := ipvsadm.Parse(strings.Fields(line))
	if err != nil {
		s.Fatal(err)
	}
	var out strings.Builder
	if k.ShowTimeouts {
		err = ipvsadm.WriteTimeouts(&out, s.running.Config().Session.Timeouts)
	} else {
		err = ipvsadm.Write(&out, k, s.counted(), s.running.Config().Session.Max)
	}
	if err != nil {
		s.Fatal(err)
	}
	return out.String()
}

// counted returns the services with their counters as the director's own dialect has them.
func (s *stock) counted() (all []ipvsadm.Service) {
	for _, c := range s.running.Counts() {
		of := ipvsadm.Service{
			ID: c.Service.ID(), Scheduler: c.Service.Scheduler.String(),
			Flags:       c.Service.Scheduler.FlagNames(c.Service.SchedulerFlags),
			Persistence: c.Service.Persistence, Mask: c.Service.PersistenceMask,
			OnePacket: c.Service.OnePacket, Engine: c.Service.PersistenceEngine,
			Counters: ipvsadm.Counters{
				Connections: c.Connections, InPackets: c.InPackets, OutPackets: c.OutPackets,
				InBytes: c.InBytes, OutBytes: c.OutBytes,
			},
		}
		for i, rs := range c.RealServers {
			of.Servers = append(of.Servers, ipvsadm.Server{
				Address: rs.Address, Mode: rs.Mode, Weight: rs.Weight, Active: rs.Active,
				Inactive: rs.Inactive, Persistent: rs.Templates,
				Upper: int(c.Service.RealServers[i].UpperThreshold),
				Lower: int(c.Service.RealServers[i].LowerThreshold),
				Counters: ipvsadm.Counters{
					Connections: rs.Connections, InPackets: rs.InPackets, OutPackets: rs.OutPackets,
					InBytes: rs.InBytes, OutBytes: rs.OutBytes,
				},
			})
		}
		all = append(all, of)
	}
	return all
}

// several are services of many kinds: fullnat is the mode that ipvsadm does not know.
const several = dns + `
[[service]]
name = "stays"
address = "10.0.0.100:5061"
protocol = "udp"
mode = "nat"
persistence = "5m"
persistence_mask = 24
scheduler = "mh"
scheduler_flags = ["mh-port", "mh-fallback"]
  [[service.real_server]]
  address = "10.0.0.11:5061"
  upper_threshold = 90
  lower_threshold = 50
[[service]]
name = "all"
addresses = ["10.0.0.99:*"]
protocol = "tcp"
mode = "ipip"
persistence = "7s"
  [[service.real_server]]
  address = "10.0.0.12"
[[service]]
name = "mark"
mark = 7
family = "ipv6"
mode = "dr"
  [[service.real_server]]
  address = "fd00::12"
  weight = 0
[[service]]
name = "sip"
address = "10.0.0.100:5060"
protocol = "udp"
mode = "nat"
persistence = "5m"
persistence_engine = "sip"
[[service]]
name = "ops"
address = "[fd00::100]:514"
protocol = "udp"
mode = "dr"
one_packet = true
  [[service.real_server]]
  address = "[fd00::13]:514"
`

// TestStockListsAsWeDo compares the lists of the stock ipvsadm with those of the director's own
// dialect, for the same numbers.
func TestStockListsAsWeDo(t *testing.T) {
	s := newStock(t, plain+several)
	s.turn()
	s.begin(1000, 200, "10.0.0.100:53")
	s.begin(1000, 30, "10.0.0.100:5061")
	s.eventually("the counts", func() bool {
		all := s.running.Counts()
		return all[0].Connections == 200 && all[1].Connections == 30
	})
	for _, line := range []string{
		"-L -n", "-Ln --sort", "-Ln --stats", "-Ln --stats --exact", "-Ln --thresholds",
		"-Ln --persistent-conn", "-Ln --tun-info", "-L --timeout", "-Ln -u 10.0.0.100:53",
		"-Ln --stats -u 10.0.0.100:53", "-Ln -f 7 -6",
	} {
		if got, want := s.run(line), s.listed(line); got != want {
			t.Errorf("ipvsadm %s prints\n%s\nour own\n%s", line, got, want)
		}
	}
	if got := s.run("-L --daemon"); got != "" {
		t.Errorf("ipvsadm -L --daemon prints %q", got)
	}
	s.run("-Z -u 10.0.0.100:53")
	if got := s.run("-Ln --stats -u 10.0.0.100:53"); !strings.Contains(got,
		"UDP  10.0.0.100:53                       0        0        0        0        0") {
		t.Errorf("after -Z there is\n%s", got)
	}
	s.run("-Z")
	if got := s.running.Counts()[1].Connections; got != 0 {
		t.Errorf("after -Z of all there are %d connections", got)
	}
}

// TestStockRates lists rates by the stock ipvsadm: the averages of the estimator.
func TestStockRates(t *testing.T) {
	s := newStock(t, plain+dns)
	s.turn()
	s.begin(1000, 200, "10.0.0.100:53")
	s.eventually("the counts", func() bool { return s.running.Counts()[0].Connections == 200 })
	// 200 in 2 s are 100 a second; a quarter of that is 25. The server's own look may come as well.
	s.table.rates.zero(lvs.ServiceID{})
	s.table.estimate()
	got := s.run("-Ln --rate")
	first := fmt.Sprintf("%-33s %8d %8d %8d", "UDP  10.0.0.100:53", 25, 25, 0)
	later := fmt.Sprintf("%-33s %8d %8d %8d", "UDP  10.0.0.100:53", 19, 19, 0)
	if !strings.Contains(got, first) && !strings.Contains(got, later) {
		t.Errorf("ipvsadm -Ln --rate prints\n%s\nwant %q", got, first)
	}
}

// TestStockRestores has the stock ipvsadm save services, and restore them in a director without
// any.
func TestStockRestores(t *testing.T) {
	s := newStock(t, plain+several)
	saved := s.run("-S -n")
	s = newStock(t, plain)
	if out, err := s.try("-R", saved); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, s.log)
	}
	if again := s.run("-S -n"); again != saved {
		t.Errorf("saved\n%s\nand after it was restored\n%s", saved, again)
	}
	// The director's own dialect has the same services then.
	rules, err := ipvsadm.ReadRules(strings.NewReader(saved))
	if err != nil {
		t.Fatal(err)
	}
	c := s.running.Config().Clone()
	c.Services = nil
	if c, err = ipvsadm.Changed(c, rules); err != nil {
		t.Fatal(err)
	}
	if got, want := s.services(), config.RenderServices(c.Services); got != want {
		t.Errorf("restored are\n%s\nour own dialect restores\n%s", got, want)
	}
}
