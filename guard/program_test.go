package guard

import (
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"fulcrum/lvs"
)

// needBPF skips a test that may not load a program. CI runs as root.
func needBPF(t testing.TB) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") != "":
		t.Fatal("needs root")
	default:
		t.Skip("needs root")
	}
}

// loaded is a program that is attached nowhere.
type loaded struct {
	testing.TB
	*Guard
	program *ebpf.Program
	device  *device // without an interface
}

func load(t testing.TB) *loaded {
	t.Helper()
	needBPF(t)
	g, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	m, d := g.maps, &device{}
	for made, name := range map[*counts]string{&d.guarded: "fulcrum_vlans", &d.deaf: "fulcrum_deaf"} {
		if *made, err = newCounts(name); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { made.Close() })
	}
	m.vlans, m.deaf = d.guarded.Map, d.deaf.Map
	if err := d.add(0, false); err != nil {
		t.Fatal(err)
	}
	p, err := ebpf.NewProgram(newProgram(m))
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() { p.Close() })
	return &loaded{t, g, p, d}
}

func (l *loaded) hide(s Service) {
	l.Helper()
	if err := l.Hide(&s); err != nil {
		l.Fatal(err)
	}
}

// hides runs the program on a frame.
func (l *loaded) hides(frame []byte) bool {
	l.Helper()
	verdict, _, err := l.program.Test(frame)
	if err != nil {
		l.Fatalf("%x: %v", frame, err)
	}
	switch int32(verdict) {
	case verdictDrop:
		return true
	case verdictNext:
		return false
	}
	l.Fatalf("%x: verdict %d", frame, int32(verdict))
	return false
}

// The test run's interface is the loopback, whose MAC is zero.
var (
	here  = net.HardwareAddr{0, 0, 0, 0, 0, 0}
	other = net.HardwareAddr{2, 0, 0, 0, 0, 9}
	every = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

// packetSpec is a packet of a test, from a client unless it says otherwise.
type packetSpec struct {
	src, dst     string
	sport, dport uint16
	protocol     layers.IPProtocol // TCP unless given
	mac          net.HardwareAddr  // here unless given
	fragment     bool              // a later one
	icmp         uint8             // the type, for ICMP
	quote        *packetSpec       // what an ICMP error is about
	target       string            // of a solicitation
	options      bool              // IPv4 options, or two extension headers
}

func (s *packetSpec) layers() (all []gopacket.SerializableLayer, six bool) {
	src, dst := netip.MustParseAddr(s.src), netip.MustParseAddr(s.dst)
	six = dst.Is6()
	protocol := s.protocol
	if protocol == 0 {
		protocol = layers.IPProtocolTCP
	}
	if six {
		all = s.six(src, dst, protocol)
	} else {
		all = s.four(src, dst, protocol)
	}
	return append(all, s.payload(protocol)...), six
}

func (s *packetSpec) four(
	src, dst netip.Addr, protocol layers.IPProtocol,
) []gopacket.SerializableLayer {
	ip := &layers.IPv4{Version: 4, IHL: 5, TTL: 64, SrcIP: src.AsSlice(), DstIP: dst.AsSlice(),
		Protocol: protocol}
	if s.fragment {
		ip.FragOffset = 100
	}
	if s.options {
		ip.Options = []layers.IPv4Option{{OptionType: 1}, {OptionType: 1}, {OptionType: 1},
			{OptionType: 1}}
	}
	return []gopacket.SerializableLayer{ip}
}

func (s *packetSpec) six(
	src, dst netip.Addr, protocol layers.IPProtocol,
) []gopacket.SerializableLayer {
	ip := &layers.IPv6{Version: 6, HopLimit: 64, SrcIP: src.AsSlice(), DstIP: dst.AsSlice(),
		NextHeader: protocol}
	all := []gopacket.SerializableLayer{ip}
	if s.options {
		all = append(all, gopacket.Payload{60, 0, 1, 4, 0, 0, 0, 0},
			gopacket.Payload{byte(protocol), 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
		ip.NextHeader = layers.IPProtocolIPv6HopByHop
	}
	if s.fragment {
		all = append(all, gopacket.Payload{byte(protocol), 0, 1, 0, 0, 0, 0, 7})
		ip.NextHeader = layers.IPProtocolIPv6Fragment
	}
	return all
}

func (s *packetSpec) payload(protocol layers.IPProtocol) []gopacket.SerializableLayer {
	ports := gopacket.Payload{byte(s.sport >> 8), byte(s.sport), byte(s.dport >> 8), byte(s.dport),
		0, 0, 0, 0}
	if protocol != layers.IPProtocolICMPv4 && protocol != layers.IPProtocolICMPv6 {
		return []gopacket.SerializableLayer{ports}
	}
	all := []gopacket.SerializableLayer{gopacket.Payload{s.icmp, 0, 0, 0, 0, 0, 0, 0}}
	if s.quote != nil {
		quoted, _ := s.quote.layers()
		all = append(all, quoted...)
	}
	if s.target != "" {
		all = append(all, gopacket.Payload(netip.MustParseAddr(s.target).AsSlice()))
	}
	return all
}

func (s *packetSpec) frame(t testing.TB) []byte {
	t.Helper()
	all, six := s.layers()
	ethernet := &layers.Ethernet{SrcMAC: other, DstMAC: s.mac, EthernetType: layers.EthernetTypeIPv4}
	if six {
		ethernet.EthernetType = layers.EthernetTypeIPv6
	}
	if s.mac == nil {
		ethernet.DstMAC = here
	}
	b := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true},
		append([]gopacket.SerializableLayer{ethernet}, all...)...)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// arpFor returns an ARP request.
func arpFor(t testing.TB, target string) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{},
		&layers.Ethernet{SrcMAC: other, DstMAC: every, EthernetType: layers.EthernetTypeARP},
		&layers.ARP{AddrType: 1, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6,
			ProtAddressSize: 4, Operation: 1, SourceHwAddress: other,
			SourceProtAddress: []byte{10, 0, 0, 9}, DstHwAddress: make([]byte, 6),
			DstProtAddress: netip.MustParseAddr(target).AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// names are the addresses of a family in the tests.
type names struct {
	client, router, vip, shared, local, own, server, plain, group string
	icmp                                                          layers.IPProtocol
	unreachable, request, reply                                   uint8
}

var families = map[string]names{
	"IPv4": {"192.0.2.9", "192.0.2.1", "10.0.0.100", "10.0.0.101", "10.0.0.50", "10.0.0.1",
		"10.0.0.11", "10.0.0.12", "224.0.0.5", layers.IPProtocolICMPv4, 3, 8, 0},
	"IPv6": {"2001:db8::9", "2001:db8::1", "fd00::100", "fd00::101", "fd00::50", "fd00::1",
		"fd00::11", "fd00::12", "ff02::5", layers.IPProtocolICMPv6, 1, 128, 129},
}

const sctp = layers.IPProtocolSCTP

// furnish makes a nat service at vip and at shared, which the host has too.
func (l *loaded) furnish(n names, isRouted bool) {
	server := netip.AddrPortFrom(netip.MustParseAddr(n.server), 8080)
	for _, vip := range []string{n.vip, n.shared} {
		l.hide(Service{
			Matches:   []lvs.Match{lvs.MatchOf(lvs.TCP, netip.AddrPortFrom(netip.MustParseAddr(vip), 80))},
			Locals:    []netip.Addr{netip.MustParseAddr(n.local)},
			Answering: []netip.AddrPort{server}, Routed: isRouted,
		})
	}
	host := []netip.Addr{netip.MustParseAddr(n.own), netip.MustParseAddr(n.shared)}
	if err := l.SetHost(host); err != nil {
		l.Fatal(err)
	}
}

// TestProgram: what is whose, by each rule.
func TestProgram(t *testing.T) {
	for family, n := range families {
		l := load(t)
		l.furnish(n, false)
		answer := packetSpec{src: n.server, dst: n.client, sport: 8080, dport: 4000}
		request := packetSpec{src: n.client, dst: n.server, sport: 4000, dport: 8080}
		sent := packetSpec{src: n.shared, dst: n.client, sport: 80, dport: 4000}
		others := packetSpec{src: n.shared, dst: n.client, sport: 22, dport: 4000}
		udp, mac := layers.IPProtocolUDP, net.HardwareAddr{2, 0, 0, 0, 0, 7}
		for what, c := range map[string]struct {
			packetSpec
			hidden bool
		}{
			"VIP, served":                   {packetSpec{dst: n.vip, dport: 80}, true},
			"VIP, another port":             {packetSpec{dst: n.vip, dport: 81}, true},
			"VIP, another protocol":         {packetSpec{dst: n.vip, dport: 80, protocol: 47}, true},
			"VIP, fragment":                 {packetSpec{dst: n.vip, fragment: true}, true},
			"VIP, pong":                     {packetSpec{dst: n.vip, protocol: n.icmp}, true},
			"VIP, of another station's MAC": {packetSpec{dst: n.vip, dport: 80, mac: mac}, false},
			"local address":                 {packetSpec{src: n.plain, dst: n.local, dport: 5000}, true},
			"local address, UDP":            {packetSpec{dst: n.local, dport: 53, protocol: udp}, true},

			"shared, served":          {packetSpec{dst: n.shared, dport: 80}, true},
			"shared, served, options": {packetSpec{dst: n.shared, dport: 80, options: true}, true},
			"shared, another port":    {packetSpec{dst: n.shared, dport: 22}, false},
			"shared, other, options":  {packetSpec{dst: n.shared, dport: 22, options: true}, false},
			"shared, UDP":             {packetSpec{dst: n.shared, dport: 80, protocol: udp}, false},
			"shared, SCTP":            {packetSpec{dst: n.shared, dport: 80, protocol: sctp}, false},
			"shared, fragment":        {packetSpec{dst: n.shared, fragment: true}, false},
			"shared, ping":            {packetSpec{dst: n.shared, protocol: n.icmp, icmp: n.request}, true},
			"shared, pong":            {packetSpec{dst: n.shared, protocol: n.icmp, icmp: n.reply}, false},
			"shared, error, served": {packetSpec{src: n.router, dst: n.shared, protocol: n.icmp,
				icmp: n.unreachable, quote: &sent}, true},
			"shared, error, host's": {packetSpec{src: n.router, dst: n.shared, protocol: n.icmp,
				icmp: n.unreachable, quote: &others}, false},

			"host":                     {packetSpec{dst: n.own, dport: 80}, false},
			"host, from a real server": {packetSpec{src: n.server, dst: n.own, sport: 8080}, false},
			"forwarded":                {packetSpec{dst: n.plain, dport: 80}, false},
			"to a real server":         {request, false},
			"answer":                   {answer, true},
			"answer, fragment":         {packetSpec{src: n.server, dst: n.client, fragment: true}, true},
			"answer, options": {packetSpec{src: n.server, dst: n.client, sport: 8080, options: true},
				true},
			"answer, another port": {packetSpec{src: n.server, dst: n.client, sport: 22}, false},
			"answer, UDP": {packetSpec{src: n.server, dst: n.client, sport: 8080, protocol: udp},
				false},
			"answer, others":  {packetSpec{src: n.plain, dst: n.client, sport: 8080}, false},
			"answer, group":   {packetSpec{src: n.server, dst: n.group, sport: 8080, mac: every}, false},
			"plain, fragment": {packetSpec{src: n.plain, dst: n.client, fragment: true}, false},
			"error about a request, of the real server": {packetSpec{src: n.server, dst: n.client,
				protocol: n.icmp, icmp: n.unreachable, quote: &request}, true},
			"error about a request, of a router": {packetSpec{src: n.router, dst: n.client,
				protocol: n.icmp, icmp: n.unreachable, quote: &request}, true},
			"error about others": {packetSpec{src: n.router, dst: n.client, protocol: n.icmp,
				icmp: n.unreachable, quote: &others}, false},
			"real server's ping": {packetSpec{src: n.server, dst: n.client, protocol: n.icmp,
				icmp: n.request}, false},
		} {
			if c.src == "" {
				c.src = n.client
			}
			if got := l.hides(c.frame(t)); got != c.hidden {
				t.Errorf("%s, %s: hidden %t", family, what, got)
			}
		}
	}
}

// matches parses matches such as "tcp 10.0.0.0/28:*".
func matches(t testing.TB, texts ...string) (all []lvs.Match) {
	t.Helper()
	for _, text := range texts {
		m, err := lvs.ParseMatch(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// TestProgramRanges: all addresses of a range are hidden, and where the host has one too, the
// range's ports. A real server without port answers from these.
func TestProgramRanges(t *testing.T) {
	for family, n := range map[string]struct {
		names
		texts                      []string
		first, middle, last, after string
	}{
		"IPv4": {families["IPv4"], []string{"tcp 10.0.0.99-10.0.0.110:8000-8100", "udp 10.0.0.101:*"},
			"10.0.0.99", "10.0.0.105", "10.0.0.110", "10.0.0.111"},
		"IPv6": {families["IPv6"], []string{"tcp [fd00::100/120]:8000-8100", "udp [fd00::101]:*"},
			"fd00::100", "fd00::17f", "fd00::1ff", "fd00::200"},
	} {
		l, udp := load(t), layers.IPProtocolUDP
		s := Service{Matches: matches(t, n.texts...),
			Answering: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(n.server), 0)}}
		l.hide(s)
		for what, c := range map[string]struct {
			packetSpec
			hidden, shared bool // without and with the address on the host
		}{
			"first":           {packetSpec{dst: n.first, dport: 8000}, true, true},
			"middle":          {packetSpec{dst: n.middle, dport: 22}, true, true},
			"last":            {packetSpec{dst: n.last, dport: 8100}, true, true},
			"after":           {packetSpec{dst: n.after, dport: 8000}, false, false},
			"below":           {packetSpec{dst: n.shared, dport: 7999}, true, false},
			"lowest port":     {packetSpec{dst: n.shared, dport: 8000}, true, true},
			"a port between":  {packetSpec{dst: n.shared, dport: 8063}, true, true},
			"highest port":    {packetSpec{dst: n.shared, dport: 8100}, true, true},
			"above":           {packetSpec{dst: n.shared, dport: 8101}, true, false},
			"every UDP port":  {packetSpec{dst: n.shared, dport: 53, protocol: udp}, true, true},
			"answer":          {packetSpec{src: n.server, dst: n.client, sport: 8033}, true, true},
			"answer from 22":  {packetSpec{src: n.server, dst: n.client, sport: 22}, false, false},
			"answer by UDP":   {packetSpec{src: n.server, dst: n.client, protocol: udp}, true, true},
			"answer by SCTP":  {packetSpec{src: n.server, dst: n.client, protocol: sctp}, false, false},
			"real server":     {packetSpec{dst: n.server, dport: 8000}, false, false},
			"pong of a range": {packetSpec{dst: n.middle, protocol: n.icmp, icmp: n.reply}, true, true},
		} {
			if c.src == "" {
				c.src = n.client
			}
			for _, host := range [][]netip.Addr{nil, {netip.MustParseAddr(n.shared)}, nil} {
				if err := l.SetHost(host); err != nil {
					t.Fatal(err)
				}
				want := c.hidden && host == nil || c.shared && host != nil
				if got := l.hides(c.frame(t)); got != want {
					t.Errorf("%s, %s, host %v: hidden %t", family, what, host, got)
				}
			}
		}
		if family == "IPv4" && (!l.hides(arpFor(t, n.last)) || l.hides(arpFor(t, n.after))) {
			t.Error("ARP for the last address is seen, or for the one after it is not")
		}
		if err := l.Show(&s); err != nil {
			t.Fatal(err)
		}
		p := packetSpec{src: n.client, dst: n.middle, dport: 8000}
		if l.hides(p.frame(t)) || len(l.claims.ranges)+len(l.claims.matches)+len(l.claims.endpoints) > 0 {
			t.Errorf("%s: something is left: %+v", family, l.claims)
		}
	}
}

// TestProgramRoutes: with route_unmatched, all from and to nat real servers is the director's.
func TestProgramRoutes(t *testing.T) {
	for family, n := range families {
		l := load(t)
		l.furnish(n, true)
		for what, c := range map[string]struct {
			packetSpec
			hidden bool
		}{
			"from a real server": {packetSpec{src: n.server, dst: n.client, sport: 22}, true},
			"to a real server":   {packetSpec{src: n.client, dst: n.server, dport: 22}, true},
			"to the host":        {packetSpec{src: n.server, dst: n.own, sport: 22}, false},
			"to a group":         {packetSpec{src: n.server, dst: n.group, mac: every}, false},
			"others":             {packetSpec{src: n.plain, dst: n.client, sport: 22}, false},
		} {
			if got := l.hides(c.frame(t)); got != c.hidden {
				t.Errorf("%s, %s: hidden %t", family, what, got)
			}
		}
	}
}

// TestProgramResolves: questions for the director's addresses are hidden, others are not.
func TestProgramResolves(t *testing.T) {
	l := load(t)
	l.furnish(families["IPv4"], false)
	for target, want := range map[string]bool{
		"10.0.0.100": true, "10.0.0.50": true, "10.0.0.101": false, "10.0.0.1": false,
		"10.0.0.12": false,
	} {
		if got := l.hides(arpFor(t, target)); got != want {
			t.Errorf("ARP for %s: hidden %t", target, got)
		}
	}
	l.furnish(families["IPv6"], false)
	for target, want := range map[string]bool{
		"fd00::100": true, "fd00::50": true, "fd00::101": false, "fd00::1": false, "fd00::12": false,
	} {
		s := packetSpec{src: "fd00::9", dst: "ff02::1:ff00:100", protocol: layers.IPProtocolICMPv6,
			icmp: solicitation, target: target, mac: net.HardwareAddr{0x33, 0x33, 0xff, 0, 1, 0}}
		if got := l.hides(s.frame(t)); got != want {
			t.Errorf("solicitation of %s: hidden %t", target, got)
		}
	}
}

// FuzzProgram: no frame has another verdict than the two.
func FuzzProgram(f *testing.F) {
	for _, n := range families {
		whole := packetSpec{src: n.client, dst: n.shared, dport: 80, options: true}
		quote := packetSpec{src: n.router, dst: n.client, protocol: n.icmp, icmp: n.unreachable,
			quote: &whole}
		f.Add(whole.frame(f))
		f.Add(quote.frame(f))
		f.Add(quote.frame(f)[:58])
	}
	f.Add(arpFor(f, "10.0.0.100"))
	l := load(f)
	l.furnish(families["IPv4"], false)
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) > ethernetSize+ipv6Size && len(frame) <= 1500 { // what the kernel's test run takes
			(&loaded{t, l.Guard, l.program, l.device}).hides(frame)
		}
	})
}
