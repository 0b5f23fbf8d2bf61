package ipvs

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/lvs"
)

// beyond has what IPVS's messages cannot say.
const beyond = `
[[service]]
name = "full"
address = "[fd00::100]:80"
protocol = "tcp"
mode = "fullnat"
local_addresses = ["10.0.0.50", "fd00::50"]
slow_start = "30s"
mss = 1400
max_rate = 7
persistence = "1500ms"
  [[service.real_server]]
  address = "10.0.0.11:80"
  weight = 5
  [service.real_server.health]
  type = "tcp"
[[service]]
name = "range"
addresses = ["10.0.0.96/30:8000-8100", "10.0.0.90:80"]
protocol = "tcp"
mode = "nat"
  [[service.real_server]]
  address = "10.0.0.12"
[[service]]
name = "narrow"
address = "10.0.0.96:8001"
protocol = "tcp"
mode = "nat"
`

// TestWhatCannotBeSaidSurvives sets services and real servers as they were read. What messages do
// not have stays: a SET_SERVICE or SET_DEST with the values of a list changes nothing.
func TestWhatCannotBeSaidSurvives(t *testing.T) {
	d := serve(t, plain+several+beyond)
	before := d.services()
	conn, err := Dial(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	content, err := Read(conn)
	if err != nil {
		t.Fatal(err)
	}
	c, dests := d.caller(), 0
	for _, s := range content.Services {
		if got := c.command(SetService, of(&s.Service, nil)); got != 0 {
			t.Errorf("SET_SERVICE of %s %s:%d: %v\n%s", s.Scheduler, s.Address, s.Port, got, d.log)
		}
		for _, to := range s.Destinations {
			dests++
			if got := c.command(SetDest, of(&s.Service, &to)); got != 0 {
				t.Errorf("SET_DEST of %s: %v\n%s", to.at(), got, d.log)
			}
		}
	}
	if len(content.Services) != 9 || dests != 8 {
		t.Errorf("%d services and %d destinations were read", len(content.Services), dests)
	}
	if got := d.services(); got != before {
		t.Errorf("the services were\n%s\nand are\n%s", before, got)
	}
	if all := d.running.Overrides(); len(all) != 0 {
		t.Errorf("overrides: %v", all)
	}
}

// inFile finds a service of the configuration by name.
func (d *served) inFile(name string) config.Service {
	d.Helper()
	s, err := d.running.Service(name)
	if err != nil {
		d.Fatal(err)
	}
	return s
}

// TestFullNATIsMasquerading changes a service of fullnat by messages that say masquerading: real
// servers come and go, and stay in fullnat.
func TestFullNATIsMasquerading(t *testing.T) {
	d := serve(t, plain+beyond)
	c := d.caller()
	s := &Service{
		Family: unix.AF_INET6, Protocol: unix.IPPROTO_TCP, Address: netip.MustParseAddr("fd00::100"),
		Port: 80, Mask: 128,
	}
	to := func(address string, weight int32) *Destination {
		a := netip.MustParseAddrPort(address)
		return &Destination{
			Family: familyOf(a.Addr()), Address: a.Addr(), Port: a.Port(), Method: methodMasq,
			Weight: weight,
		}
	}
	for _, step := range []struct {
		command Command
		dest    *Destination
	}{
		{SetDest, to("10.0.0.11:80", 0)}, {DelDest, to("10.0.0.11:80", 0)},
		{NewDest, to("10.0.0.11:80", 4)}, {NewDest, to("[fd00::12]:81", 3)},
	} {
		if got := c.command(step.command, of(s, step.dest)); got != 0 {
			t.Fatalf("%s: %v\n%s", step.command, got, d.log)
		}
	}
	got := d.inFile("full")
	if len(got.RealServers) != 2 || len(got.LocalAddresses) != 2 || !got.HasLocals() {
		t.Errorf("the service is %+v", got)
	}
	for _, rs := range got.RealServers {
		if got.ModeOf(rs) != got.Mode {
			t.Errorf("%s has mode %s", rs.Address, got.ModeOf(rs))
		}
	}
}

// TestAgainAsInTheFile deletes a service of the file and adds it again, as keepalived does when it
// starts anew: it is as before, but for what messages say.
func TestAgainAsInTheFile(t *testing.T) {
	d := serve(t, plain+beyond)
	c, before := d.caller(), d.inFile("full")
	s := &Service{
		Family: unix.AF_INET6, Protocol: unix.IPPROTO_TCP, Address: netip.MustParseAddr("fd00::100"),
		Port: 80, Mask: 128, Scheduler: "rr", FlagsMask: 0xffffffff,
	}
	a := netip.MustParseAddr("10.0.0.11")
	dest := &Destination{Family: unix.AF_INET, Address: a, Port: 80, Method: methodMasq, Weight: 2}
	for _, step := range []struct {
		command Command
		dest    *Destination
	}{{DelService, nil}, {NewService, nil}, {NewDest, dest}} {
		if got := c.command(step.command, of(s, step.dest)); got != 0 {
			t.Fatalf("%s: %v\n%s", step.command, got, d.log)
		}
	}
	after := d.inFile("full")
	if after.Mode != before.Mode || after.MSS != 1400 || after.MaxRate != 7 || len(after.LocalAddresses) != 2 {
		t.Errorf("the service is %+v", after)
	}
	if after.Scheduler != lvs.RR || after.Persistence != 0 || len(after.RealServers) != 1 {
		t.Errorf("it is not what the messages say: %+v", after)
	}
}

// TestRangesAreKnownByTheirBeginning names a service of ranges by its first address and port, and
// leaves a range to a service that is known by them alone.
func TestRangesAreKnownByTheirBeginning(t *testing.T) {
	d := serve(t, plain+beyond)
	c := d.caller()
	s := &Service{
		Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, Address: netip.MustParseAddr("10.0.0.96"),
		Port: 8000, Mask: 32, Scheduler: "rr", FlagsMask: ^uint32(0),
	}
	if got := c.command(NewService, of(s, nil)); got != unix.EEXIST {
		t.Errorf("NEW_SERVICE of a range's beginning: %v", got)
	}
	if got := c.command(SetService, of(s, nil)); got != 0 {
		t.Errorf("SET_SERVICE of a range: %v", got)
	}
	if got := d.inFile("range"); got.Scheduler.String() != "rr" || len(got.Addresses) != 2 {
		t.Errorf("the range is %+v", got)
	}
	for _, port := range []uint16{8001, 8002} { // another service, and no service's beginning
		s.Port = port
		want := map[uint16]unix.Errno{8002: unix.ESRCH}[port]
		if got := c.command(DelService, of(s, nil)); got != want {
			t.Errorf("DEL_SERVICE of port %d: %v, want %v", port, got, want)
		}
	}
	s.Port = 8000
	if got := c.command(DelService, of(s, nil)); got != 0 {
		t.Errorf("DEL_SERVICE of a range: %v", got)
	}
	if got := len(d.running.Config().Services); got != 1 {
		t.Errorf("%d services are left", got)
	}
}

// TestShadowedRanges lists a range and a service that begins where it begins: the messages can name
// one of them.
func TestShadowedRanges(t *testing.T) {
	d := serve(t, plain+strings.Replace(beyond, "10.0.0.96:8001", "10.0.0.96:8000", 1))
	c := d.caller()
	if got := shape(c.ask(Family, dumped, generic(uint8(GetService), nil))); got != "32 32 done" {
		t.Errorf("the services are %s", got)
	}
	s := &Service{
		Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, Address: netip.MustParseAddr("10.0.0.96"),
		Port: 8000, Mask: 32, Scheduler: "sh", FlagsMask: ^uint32(0),
	}
	got := c.command(SetService, of(s, nil))
	if narrow := d.inFile("narrow"); got != 0 || narrow.Scheduler.String() != "sh" {
		t.Errorf("SET_SERVICE: %v, and the service is %+v", got, narrow)
	}
}

// TestSorryServersShowWhileTheyServe has a sorry server that is not needed: it is no destination.
func TestSorryServersShowWhileTheyServe(t *testing.T) {
	d := serve(t, plain+strings.Replace(dns, `scheduler = "rr"`,
		"scheduler = \"rr\"\nsorry_servers = [\"10.0.0.30:53\"]", 1))
	c := d.caller()
	s := &Service{
		Family: unix.AF_INET, Protocol: unix.IPPROTO_UDP, Address: dnsVIP, Port: 53, Mask: 32,
	}
	all := c.ask(Family, dumped, generic(uint8(GetDest), of(s, nil).bytes()))
	if got := shape(all); got != "32 32 done" {
		t.Errorf("the destinations are %s", got)
	}
}

// TestDownShowsTheWeight takes a real server down, as checks do, and lets another begin slowly.
// Lists have the weights as configured, so that nothing saves others.
func TestDownShowsTheWeight(t *testing.T) {
	d := serve(t, plain+dns)
	s := d.engine.Report().Services[0].Service
	s.RealServers = slices.Clone(s.RealServers)
	s.RealServers[0].Down, s.RealServers[1].Share = true, 1
	if err := d.engine.Change(engine.Change{Put: []engine.Service{s}}); err != nil {
		t.Fatal(err)
	}
	conn, err := Dial(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	content, err := Read(conn)
	if err != nil {
		t.Fatal(err)
	}
	all := content.Services[0].Destinations
	if len(all) != 2 || all[0].Weight != 3 || all[1].Weight != 1 {
		t.Errorf("the destinations are %+v", all)
	}
}
