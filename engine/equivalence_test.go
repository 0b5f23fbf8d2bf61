package engine

import (
	"bytes"
	"fmt"
	"fulcrum/lvs"
	"maps"
	"net/netip"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/modes"
	"fulcrum/packet"
)

// The equivalence law: a burst has the same result as its packets one by one. Two directors with
// the same seed get the same traffic, one of them packet by packet, and always by the general path.

// everything serves all modes over both protocols at once, with several schedulers, thresholds and
// drained real servers. Some neighbours must be resolved. variant distinguishes settings that
// follow each other.
func everything(s *site, variant int) Settings {
	n := s.settings()
	n.Neighbours = n.Neighbours[:1+variant%len(n.Neighbours)]
	n.SloppyTCP = variant%3 == 1
	n.ExpireNoDest = variant%2 == 1
	n.ResetUnknown = ResetUnknown((2 + variant/2) % 3)
	n.RouteUnmatched = variant%4 < 2
	n.SloppySCTP, n.NATICMPSend = variant%3 == 2, variant%3 == 0
	n.ScheduleICMP, n.PMTUDisc = variant%2 == 0, variant%3 != 1
	n.ConnReuseMode = uint8(3+variant) % 4
	n.Defences = drawnDefences(variant)
	for i, m := range allModes {
		t, u := s.web(m, 3), s.echo(m, 2)
		t.Address = netip.AddrPortFrom(t.Address.Addr(), uint16(80+i))
		u.Address = netip.AddrPortFrom(u.Address.Addr(), uint16(70+i))
		for j := range t.RealServers {
			t.RealServers[j].Address = netip.AddrPortFrom(s.servers[j].addr,
				serverPort(m, t.Address))
		}
		for j := range u.RealServers {
			u.RealServers[j].Address = netip.AddrPortFrom(s.servers[j].addr,
				serverPort(m, u.Address))
		}
		t.Scheduler = lvs.Schedulers()[(i+variant)%len(lvs.Schedulers())]
		t.RealServers[1].Weight = int32(variant % 3)
		u.RealServers[0].UpperThreshold = 3
		u.OnePacket = m != modes.FullNAT && (i+variant)%3 == 0
		u.MaxRatePerSource = []int{0, 0, 3}[(i+variant)%3]
		t.MaxSessionsPerSource = []int{0, 4}[(i+variant)%2]
		if variant%4 == 3 {
			t.RealServers = t.RealServers[1:]
		}
		n.Services = append(n.Services, t, u)
	}
	return n
}

// drawnDefences has each defence in each setting in some variant; in the first all are off.
func drawnDefences(variant int) Defences {
	if variant == 0 {
		return Defences{}
	}
	return Defences{
		DropEntry: Defence(variant % 3), DropPacket: Defence((variant + 1) % 3),
		SecureTCP: Defence((variant + 2) % 3),
	}
}

// newTwin makes one of the two directors, with host interfaces or without. Its session table is
// small and often full.
func newTwin(t testing.TB, s site, host bool) *bed {
	b := newBed(t, s, mixed(hosted(everything(&s, 0)), 0), func(c *bedConfig) { c.sessions, c.host = 12, host })
	b.engine.SetHostVIPs([]netip.Addr{b.engine.snap.Load().order[0].first.Netip()})
	return b
}

// traffic draws packets that are closely related to each other.
type traffic struct {
	*rapid.T
	site *site
	twin *bed // to look up the next local ports
}

func (d traffic) oneOf(label string, all ...string) string {
	return rapid.SampledFrom(all).Draw(d.T, label)
}

func (d traffic) number(label string, below int) int {
	return rapid.IntRange(0, below-1).Draw(d.T, label)
}

// frame draws a frame to come in at a port.
func (d traffic) frame(port int) []byte {
	kind := d.oneOf("kind",
		"client", "client", "client", "server", "server", "arp", "icmp", "garbage")
	switch kind {
	case "client":
		return d.send(port, d.fromClient())
	case "server":
		return d.send(port, d.fromServer())
	case "arp":
		if d.site.is6 {
			return d.discovery(port)
		}
		return d.arp(port)
	case "icmp":
		return d.send(port, d.icmp())
	}
	return d.garbage(port)
}

func (d traffic) send(port int, p pkt) []byte {
	p.ttl = uint8([]int{64, 64, 64, 64, 1, 2}[d.number("ttl", 6)])
	p.df = d.number("df", 2) == 1
	if d.number("long", 12) == 0 {
		p.payload = make([]byte, 1455+d.number("length", 30))
	}
	return d.site.in(p).frame(d.sender(port).mac, d.site.ports[port].mac)
}

func (d traffic) sender(port int) host {
	if port == d.site.front && d.number("sender", 2) == 0 {
		return d.site.gateway
	}
	return d.site.servers[d.number("server", len(d.site.servers))]
}

func (d traffic) clientAddress() string {
	return fmt.Sprintf("%s:%d", d.oneOf("client", "192.168.5.9", "10.0.0.9", "10.0.0.77"),
		4000+d.number("client port", 3))
}

func (d traffic) fromClient() pkt {
	mode := d.number("mode", len(allModes)+1) // one too many: no service
	if d.number("protocol", 3) == 0 {
		return udp(d.clientAddress(), fmt.Sprintf("%s:%d", vipAlone, 70+mode), "question")
	}
	flags := d.oneOf("flags", "S", "S", "S", "A", "FA", "R", "SA", "")
	return tcp(d.clientAddress(), fmt.Sprintf("%s:%d", vipAlone, 80+mode), flags)
}

// fromServer draws an answer of nat or fullnat. For fullnat it guesses a local port that is in use
// or used next, so that the answer may come in the burst that begins its session.
func (d traffic) fromServer() pkt {
	service := d.twin.worker.snap.order[2+d.number("service", 4)].live.settings
	if len(service.RealServers) == 0 {
		return d.fromClient()
	}
	i := d.number("real server", len(service.RealServers))
	to := d.clientAddress()
	if service.Mode == modes.FullNAT {
		to = d.localAddress(service, i)
	}
	asked := pkt{src: at4(to), dst: service.RealServers[i].Address,
		protocol: uint8(service.Protocol)}
	return asked.reply(d.oneOf("answer", "SA", "A", "FA", "R"), "answer")
}

func (d traffic) localAddress(v Service, i int) string {
	w := d.twin.worker
	id, ok := w.engine.registry.services[v.ID()].servers[v.RealServers[i].Address]
	if !ok {
		d.Fatal("a real server without id")
	}
	place, p := localAt(len(v.LocalAddresses), w.peers[id].turn-4+uint32(d.number("turn", 8)))
	return netip.AddrPortFrom(v.LocalAddresses[place], p).String()
}

func (d traffic) arp(port int) []byte {
	who := d.sender(port)
	if d.number("who", 3) == 0 {
		who = station("10.0.0.77", 77)
	}
	if d.number("answer", 2) == 0 {
		return isAt(who, d.site.ports[port])
	}
	whom := d.oneOf("whom", "10.0.0.1", vipAlone, d.site.local[0].String(), "10.0.0.3")
	return whoHas(netip.MustParseAddr(whom), who)
}

// discovery is arp for IPv6.
func (d traffic) discovery(port int) []byte {
	who := d.sender(port)
	if d.number("who", 3) == 0 {
		who = twins([]host{station("10.0.0.77", 77)})[0]
	}
	if d.number("answer", 2) == 0 {
		return advertises(who, d.site.ports[port])
	}
	whom := d.oneOf("whom", "10.0.0.1", vipAlone, d.site.local[0].String(), "10.0.0.3")
	return solicits(six(netip.MustParseAddr(whom)), who)
}

func (d traffic) icmp() pkt {
	if d.number("echo", 2) == 0 {
		return echoRequest("192.168.5.9", d.oneOf("target", "10.0.0.1", vipAlone, "8.8.8.8"))
	}
	about := d.fromClient().reply("A", "an answer that did not arrive")
	if d.number("side", 2) == 0 {
		about = d.fromServer().reply("A", "a question that did not arrive")
	}
	p := icmp("192.168.5.9", vipAlone, packet.ICMPUnreachable, 1, 0, nil)
	p.about = &about
	return p
}

// garbage is a frame with a byte changed or its end cut off, or random bytes.
func (d traffic) garbage(port int) []byte {
	if d.number("noise", 4) == 0 {
		return rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(d.T, "noise")
	}
	f := d.send(port, d.fromClient())
	f[d.number("place", len(f))] ^= byte(1 << d.number("bit", 8))
	return f[:1+d.number("cut", len(f))]
}

// expectSame compares all visible state of two directors.
func expectSame(t *rapid.T, one, many *bed) {
	a, b := one.collectAll(), many.collectAll()
	for port := range a {
		for i := range max(len(a[port]), len(b[port])) {
			switch {
			case i >= len(a[port]):
				t.Fatalf("port %d: the burst sent more:\n%s", port, dump(b[port][i]))
			case i >= len(b[port]):
				t.Fatalf("port %d: the burst did not send\n%s", port, dump(a[port][i]))
			case !bytes.Equal(a[port][i], b[port][i]):
				t.Fatalf("port %d, frame %d: one by one\n%sin a burst\n%s", port, i,
					dump(a[port][i]), dump(b[port][i]))
			}
		}
	}
	if x, y := one.totals(), many.totals(); x != y {
		t.Fatalf("counted one by one %+v\nin a burst %+v", x, y)
	}
	if x, y := one.worker.counters, many.worker.counters; !reflect.DeepEqual(x.ports, y.ports) {
		t.Fatalf("counted one by one %+v\nin a burst %+v", x, y)
	}
	if x, y := one.worker.counters.host, many.worker.counters.host; x != y {
		t.Fatalf("to the host one by one %+v\nin a burst %+v", x, y)
	}
	if x, y := one.toHost(), many.toHost(); !reflect.DeepEqual(x, y) {
		t.Fatalf("the host got %v one by one\nand %v in a burst", x, y)
	}
	for id := range one.worker.snap.servers {
		if x, y := one.worker.roads[id].traffic, many.worker.roads[id].traffic; x != y {
			t.Fatalf("real server %d: counted one by one %+v, in a burst %+v", id, x, y)
		}
	}
	if x, y := one.states(), many.states(); !maps.Equal(x, y) {
		t.Fatalf("sessions one by one %+v\nin a burst %+v", x, y)
	}
	for id, live := range one.engine.registry.live {
		x, y := &live.load, &many.engine.registry.live[id].load
		if x.Active() != y.Active() || x.Inactive() != y.Inactive() {
			t.Fatalf("real server %d: %d+%d connections one by one, %d+%d in a burst", id,
				x.Active(), x.Inactive(), y.Active(), y.Inactive())
		}
	}
}

// both does the same to both directors; meanwhile no packet is received.
func both(one, many *bed, do func(*bed)) {
	do(one)
	do(many)
}

func TestBurstEqualsItsPackets(t *testing.T) {
	for _, s := range sites {
		t.Run(s.name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) { compareTwins(t, r, s) })
		})
	}
}

func compareTwins(t *testing.T, r *rapid.T, s site) {
	host := rapid.Bool().Draw(r, "host")
	one, many := newTwin(drawn{t, r}, s, host), newTwin(drawn{t, r}, s, host)
	defer both(one, many, (*bed).close)
	d := traffic{r, &s, many}
	for round := range 1 + d.number("rounds", 8) {
		if d.number("apply", 5) == 0 {
			both(one, many, func(b *bed) { b.engine.Apply(mixed(hosted(everything(&b.site, round)), round)) })
		}
		// Time passes in a turn of its own: within a burst it stands still.
		step := uint32([]int{0, 1, 150, 1100, 31_000, 130_000}[d.number("time", 6)])
		both(one, many, func(b *bed) { b.now += step; b.turn() })
		expectSame(r, one, many)
		port := d.number("port", len(s.ports))
		burst := make([][]byte, 1+d.number("burst", 64))
		for i := range burst {
			burst[i] = d.frame(port)
		}
		for _, f := range burst {
			one.worker.paved++ // it never takes the straight path
			one.receive(port, f)
		}
		many.receive(port, burst...)
		expectSame(r, one, many)
	}
}

// drawn is a bed's test within a property. It fails with the property, which then looks for a
// smaller example. The maker of the bed closes it.
type drawn struct {
	testing.TB
	property *rapid.T
}

func (d drawn) Cleanup(func())            {}
func (d drawn) Fatal(args ...any)         { d.property.Fatal(args...) }
func (d drawn) Fatalf(f string, a ...any) { d.property.Fatalf(f, a...) }
func (d drawn) Error(args ...any)         { d.property.Error(args...) }
func (d drawn) Errorf(f string, a ...any) { d.property.Errorf(f, a...) }
