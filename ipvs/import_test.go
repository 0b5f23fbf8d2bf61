package ipvs

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"fulcrum/config"
	"fulcrum/lvs"
)

// TestImport reads a director as if it were a kernel, and prints its services. In a file they are
// what the director has.
func TestImport(t *testing.T) {
	d := serve(t, plain+several+"[session.timeouts]\nudp = \"20s\"\n")
	conn, err := Dial(d.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	content, err := Read(conn)
	if err != nil {
		t.Fatal(err)
	}
	i := Imported(content)
	if len(i.Left) != 0 {
		t.Errorf("not carried over: %v", i.Left)
	}
	text := i.TOML("a test")
	for _, want := range []string{
		"# Services of a test (6, real servers: 6).", "[[mark]]\nnumber = 7\n",
		"[session.timeouts]\nudp = \"20s\"\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	// The file's marks, ports and neighbours are not the kernel's.
	marked := strings.Replace(text, "# match = [\"tcp ADDRESS:PORT\"]",
		`match = ["tcp 10.0.0.107:80", "tcp [fd00::107]:80"] `, 1)
	unmarked, _, _ := strings.Cut(plain, "[[mark]]")
	c, err := config.Parse("f", []byte(unmarked+marked))
	if err != nil {
		t.Fatalf("%v\n%s", err, marked)
	}
	want := d.running.Config().Clone().Services
	for n := range want {
		want[n].Name = want[n].ID().Name()
		if len(want[n].RealServers) == 0 { // in IPVS only real servers have a method
			want[n].Mode, _ = lvs.ParseFlag(defaultMethod)
		}
	}
	if diff := cmp.Diff(config.RenderServices(want), config.RenderServices(c.Services)); diff != "" {
		t.Errorf("the services (-want +got):\n%s", diff)
	}
}

// TestImportLeaves says what a kernel has that a configuration cannot have.
func TestImportLeaves(t *testing.T) {
	service := Service{
		Family: unix.AF_INET, Protocol: 6, Address: dnsVIP, Port: 80, Scheduler: "none\x1b",
		Engine: "http", Flags: flagPersistent | flagSched1, Timeout: 1_000_000, Mask: -1,
	}
	at := func(n byte, change func(*Destination)) Destination {
		d := Destination{
			Family: unix.AF_INET, Address: netip.AddrFrom4([4]byte{10, 1, 0, n}), Port: 80, Weight: 1,
			Method: methodRoute,
		}
		change(&d)
		return d
	}
	i := Imported(&Content{Services: []Served{
		{service, []Destination{
			at(4, func(d *Destination) { d.Weight = 100_000 }),
			at(3, func(d *Destination) { d.Method, d.TunType = methodTunnel, 2 }),
			at(2, func(d *Destination) { d.Method = methodLocal }),
			at(1, func(d *Destination) { d.Port, d.Method = 8080, methodMasq }),
			at(5, func(d *Destination) { d.Port = 8080 }),
		}},
		{Service{Family: unix.AF_INET, Protocol: 47, Address: dnsVIP, Port: 80}, nil},
	}})
	want := []string{
		`tcp 10.0.0.100:80: scheduler "none\x1b": it is unknown here, and the service has wlc instead`,
		"tcp 10.0.0.100:80: persistence: 1000000 s is longer than the longest time, " +
			"168h0m0s, which it has instead",
		"tcp 10.0.0.100:80: the netmask of its persistence: there are " +
			"prefix lengths from 1 bit on, and each client stays for itself instead",
		`tcp 10.0.0.100:80: persistence engine "http": it is unknown here`,
		"real server 10.1.0.2:80 of tcp 10.0.0.100:80: forwarding method 1",
		"real server 10.1.0.3:80 of tcp 10.0.0.100:80: tunnels of type 2: there is only ipip",
		"real server 10.1.0.4:80 of tcp 10.0.0.100:80: weight 100000 is above 65535, " +
			"which it has instead",
		"service 10.0.0.100:80: protocol 47 is none that services have",
	}
	if diff := cmp.Diff(want, i.Left); diff != "" {
		t.Errorf("not carried over (-want +got):\n%s", diff)
	}
	wantText := `[[service]]
name        = "tcp-10.0.0.100-80"
address     = "10.0.0.100:80"
protocol    = "tcp"
mode        = "dr"
persistence = "168h"

  [[service.real_server]]
  address = "10.1.0.5:80"

  [[service.real_server]]
  address = "10.1.0.1:8080"
  mode    = "nat"

  [[service.real_server]]
  address = "10.1.0.4:80"
  weight  = 65535
`
	if diff := cmp.Diff(wantText, config.RenderServices(i.Services)); diff != "" {
		t.Errorf("the services (-want +got):\n%s", diff)
	}
}
