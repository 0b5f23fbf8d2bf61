package ipvs

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"fulcrum/engine"
)

// TestBigDumps lists more services and destinations than a datagram has room for.
func TestBigDumps(t *testing.T) {
	var file strings.Builder
	file.WriteString(plain)
	const services = 300
	for i := range services {
		fmt.Fprintf(&file, "[[service]]\nname = \"s%d\"\naddress = \"10.0.0.100:%d\"\n"+
			"protocol = \"tcp\"\nmode = \"nat\"\n", i, 1000+i)
	}
	for i := range services {
		fmt.Fprintf(&file, "  [[service.real_server]]\n  address = \"10.0.0.11:%d\"\n", 2000+i)
	}
	d := serve(t, file.String())
	c := d.caller()
	all := c.ask(Family, dumped, generic(uint8(GetService), nil))
	if len(all) != services+1 || c.datagrams < 6 || c.datagrams > services/10 {
		t.Errorf("%d answers in %d datagrams", len(all), c.datagrams)
	}
	s := &Service{
		Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, Address: dnsVIP, Port: 1000 + services - 1,
		Mask: 32,
	}
	all = c.ask(Family, dumped, generic(uint8(GetDest), of(s, nil).bytes()))
	if len(all) != services+1 || c.datagrams < 6 {
		t.Errorf("%d answers in %d datagrams", len(all), c.datagrams)
	}
	r, err := decodeRequest(all[0])
	if err != nil {
		t.Fatal(err)
	}
	newest, err := decodeDestination(r.dest)
	if want := netip.MustParseAddrPort("10.0.0.11:2299"); err != nil || newest.at() != want {
		t.Errorf("%v: the first destination is %s, want the newest, %s", err, newest.at(), want)
	}
}

// TestCodecGoesBothWays reads what it has written.
func TestCodecGoesBothWays(t *testing.T) {
	stats := Stats{
		Connections: 1, InPackets: math.MaxUint32 + 7, OutPackets: 3, InBytes: math.MaxUint64,
		OutBytes: 5, Rates: Rates{6, 7, 8, math.MaxUint32 + 9, 10},
	}
	services := []Service{
		{
			Family: unix.AF_INET, Protocol: 6, Address: dnsVIP, Port: 80, Scheduler: "mh", Engine: "sip",
			Flags: 0x13, FlagsMask: ^uint32(0), Timeout: 300, Mask: 24, Stats: stats,
		},
		{Family: unix.AF_INET6, Mark: 7, Scheduler: "wlc", Mask: 64},
		{Family: unix.AF_INET, Mark: 8, Mask: 0},
	}
	for _, s := range services {
		got, err := decodeService(s.encode().bytes())
		got.given = 0
		if s.Mark != 0 {
			got.Address = netip.Addr{}
		}
		if err != nil || got != s {
			t.Errorf("%v: %+v\nbecomes %+v", err, s, got)
		}
	}
	for _, a := range []string{"10.0.0.11", "fd00::11"} {
		d := Destination{
			Address: netip.MustParseAddr(a), Port: 80, Method: methodTunnel, Weight: 9,
			Upper: 3, Lower: 2, TunType: 1, TunPort: 6080, TunFlags: 1,
			Active: 4, Inactive: 5, Persistent: 6, Stats: stats,
		}
		d.Family = familyOf(d.Address)
		got, err := decodeDestination(d.encode().bytes())
		got.given, got.address = 0, rawAddress{}
		if err != nil || got != d {
			t.Errorf("%v: %+v\nbecomes %+v", err, d, got)
		}
	}
}

// TestMasks reads netmasks of both families.
func TestMasks(t *testing.T) {
	for _, tt := range []struct {
		family uint16
		bytes  []byte
		want   int
	}{
		{unix.AF_INET, []byte{255, 255, 255, 0}, 24}, {unix.AF_INET, []byte{255, 255, 255, 255}, 32},
		{unix.AF_INET, []byte{0, 0, 0, 0}, 0}, {unix.AF_INET, []byte{255, 0, 255, 0}, -1},
		{unix.AF_INET6, host.AppendUint32(nil, 64), 64},
		{unix.AF_INET6, host.AppendUint32(nil, 129), -1},
	} {
		if got, err := maskBits(tt.family, tt.bytes); err != nil || got != tt.want {
			t.Errorf("%v has %d bits, %v; want %d", tt.bytes, got, err, tt.want)
		}
	}
}

// TestEstimatorAfterARestart: what the process before has counted is no rate.
func TestEstimatorAfterARestart(t *testing.T) {
	v := engine.ServiceReport{Service: dnsService(), Inherited: engine.Traffic{Connections: 9_000_000}}
	v.RealServers = []engine.RealServerReport{{
		Address: netip.MustParseAddrPort("10.0.0.11:53"), Inherited: v.Inherited,
		Traffic: engine.Traffic{Connections: 9_000_200},
	}}
	v.Traffic = v.RealServers[0].Traffic
	r := rates{}
	r.look([]engine.ServiceReport{v})
	for _, address := range []netip.AddrPort{{}, v.RealServers[0].Address} {
		// 200 in 2 s are 100 a second; a quarter of that is 25.
		if got := r.of(v.Service.ID(), address); got != (Rates{CPS: 25}) {
			t.Errorf("%v: %+v", address, got)
		}
	}
}

// TestEstimator gives the estimator a steady stream of sessions, and compares with numbers of the
// kernel's formulas, which were worked out by hand: an average goes a quarter of the way to the
// rate every two seconds, in steps of 1/1024, or of 1/32 for bytes.
func TestEstimator(t *testing.T) {
	a := &average{}
	r := rates{}
	id := dnsService()
	var got []Rates
	for i := range uint64(6) {
		n := min(i+1, 3) * 200 // 100 a second, and nothing from the fourth look on
		report := engine.ServiceReport{Service: id}
		report.Traffic = engine.Traffic{
			Connections: n, InPackets: 3 * n, InBytes: 1000 * n, OutPackets: n / 100, OutBytes: n,
		}
		a.move(report.Traffic)
		r.look([]engine.ServiceReport{report})
		got = append(got, r.of(id.ID(), netip.AddrPort{}))
	}
	// cps * 1024: 25600, 44800, 59200, 44400, 33300, 24975; outbps * 32: 800, 1400, 1850, 1387, 1040,
	// 780, since a shift of a negative number rounds down.
	want := []Rates{
		{25, 75, 0, 25000, 25}, {44, 131, 0, 43750, 44}, {58, 173, 1, 57812, 58},
		{43, 130, 0, 43359, 43}, {33, 98, 0, 32520, 32}, {24, 73, 0, 24390, 24},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rates (-want +got):\n%s", diff)
	}
	r.zero(id.ID())
	if got := r.of(id.ID(), netip.AddrPort{}); got != (Rates{}) {
		t.Errorf("zeroed rates are %+v", got)
	}
	r.look(nil)
	if len(r.all) != 0 {
		t.Errorf("%d averages of removed services are left", len(r.all))
	}
}

func dnsService() engine.Service {
	return engine.Service{Protocol: 17, Address: netip.AddrPortFrom(dnsVIP, 53)}
}

// TestSessionsAsTheKernelPrintsThem lists sessions and templates by the private family, and by the
// stock ipvsadm's format of lines.
func TestSessionsAsTheKernelPrintsThem(t *testing.T) {
	d := serve(t, plain+several)
	d.turn()
	d.begin(1000, 700, "10.0.0.100:53")
	d.begin(2000, 1, "10.0.0.100:5061")
	d.eventually("the counts", func() bool {
		all := d.running.Counts()
		return all[0].Connections == 700 && all[1].Connections == 1
	})
	c := d.caller()
	all := c.ask(SessionFamily, dumped, generic(sessionsDump, nil))
	var text strings.Builder
	for _, m := range all[:len(all)-1] {
		whole := strings.HasSuffix(string(m.Data), "\n")
		if m.Data[0] != sessionsDump || m.Data[1] != version || !whole {
			t.Errorf("a part begins with %v and ends with %q", m.Data[:4], m.Data[len(m.Data)-1:])
		}
		text.Write(m.Data[genlLen:])
	}
	if len(all) < 4 || c.datagrams < 4 {
		t.Errorf("%d messages in %d datagrams", len(all), c.datagrams)
	}
	lines := strings.SplitAfter(strings.TrimRight(text.String(), "\n"), "\n")
	if len(lines) != 703 || lines[0] != sessionTitle {
		t.Fatalf("%d lines, first %q", len(lines), lines[0])
	}
	for _, want := range []string{
		"UDP 0A000000 0000 0A000064 13C5 0A00000B 13C5 ",
		"UDP 0A000009 03E8 0A000064 0035 0A00000B 0036 UDP             2",
		"UDP 0A000009 07D0 0A000064 13C5 0A00000B 13C5 UDP             2",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, strings.Join(lines[:4], ""))
		}
	}
}

// TestLines compares lines with the kernel's formats.
func TestLines(t *testing.T) {
	at := netip.MustParseAddrPort
	for _, tt := range []struct{ got, want string }{
		{
			connection("tcp", at("198.51.100.7:4000"), at("10.0.0.100:80"), at("10.1.0.11:8080"),
				"ESTABLISHED", 899, ""),
			"TCP C6336407 0FA0 0A000064 0050 0A01000B 1F90 ESTABLISHED     899\n",
		},
		{
			connection("udp", at("[fd00::9]:1"), at("[fd00::100]:53"), at("10.1.0.11:53"), "UDP", 5, ""),
			"UDP fd00:0000:0000:0000:0000:0000:0000:0009 0001 fd00:0000:0000:0000:0000:0000:0000:0100 " +
				"0035 0A01000B 0035 UDP               5\n",
		},
		{
			connection("IP", at("198.51.100.0:0"), at("0.0.0.7:0"), at("10.1.0.11:0"), "NONE", 40,
				" sip 00000000000000ff"),
			"IP  C6336400 0000 00000007 0000 0A01000B 0000 NONE             40 sip 00000000000000ff\n",
		},
	} {
		if tt.got != tt.want {
			t.Errorf("the line is\n%swant\n%s", tt.got, tt.want)
		}
	}
}
