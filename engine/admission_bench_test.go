package engine

import (
	"net/netip"
	"testing"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// The setting of BenchmarkAdmission.
const (
	admissionTable   = 100_000 // sessions
	admissionRate    = 1000    // invented sources a millisecond
	admissionClients = 200     // that connect during the flood, and as many that are connected before
	admissionSpread  = 5       // ms between two clients
	admissionRTT     = 20      // ms between a client and its real server, and back
)

// BenchmarkAdmission floods a director with a million invented sources a second, and reports how
// many per cent of the clients that were connected before, and of those that connect meanwhile, are
// served to the end. Clients connect to the service under attack, or in a flood of datagrams to
// another. Sources that send "data" and "two-datagrams" look like clients: they hold their places.
func BenchmarkAdmission(b *testing.B) {
	for _, family := range []site{twoArm, twoArm.twin()} {
		for _, m := range allModes {
			for _, kind := range []string{"syn-ack", "datagram", "data", "two-datagrams"} {
				name := m.String() + "/v4/" + kind
				if family.is6 {
					name = m.String() + "/v6/" + kind
				}
				b.Run(name, func(b *testing.B) {
					for b.Loop() {
						newAdmission(b, family, m, kind).run()
					}
				})
			}
		}
	}
}

// admission is one run of BenchmarkAdmission.
type admission struct {
	*bed
	mode   modes.Mode
	salvo  *salvo
	frames [][]byte // of invented sources that differ in their addresses, for each packet of one
	steps  int      // packets of an invented source
	sent   int
	served [2]int // clients connected before, and meanwhile
}

func newAdmission(b *testing.B, s site, m modes.Mode, kind string) *admission {
	a := &admission{mode: m}
	a.bed = newBed(b, s, s.serving(s.web(m, 1), s.echo(m, 1)),
		func(c *bedConfig) { c.sessions = admissionTable })
	a.salvo = newSalvo(a.bed)
	packets := map[string][]pkt{
		"syn-ack":       {tcp(client, webVIP, "S"), tcp(client, webVIP, "A")},
		"data":          {tcp(client, webVIP, "S"), tcp(client, webVIP, "A"), tcp(client, webVIP, "PA")},
		"datagram":      {udp(client, echoVIP, "?")},
		"two-datagrams": {udp(client, echoVIP, "?"), udp(client, echoVIP, "?")},
	}[kind]
	a.steps = len(packets)
	for i := range ports.MaxBurst {
		for _, p := range packets {
			p.src = at4(clientAt(50_000 + 250*i))
			a.frames = append(a.frames, s.in(p).frame(s.gateway.mac, s.own(s.front).mac))
		}
	}
	return a
}

// run has the clients connect, and send once more at the end.
func (a *admission) run() {
	for i := range admissionClients {
		a.step(i, 0)
		a.now += admissionRTT
		a.step(i, 1)
	}
	const last = admissionClients * admissionSpread
	for ms := range last + 10*admissionRTT {
		a.flood()
		for age := range 4 {
			if i := (ms - age*admissionRTT) / admissionSpread; i >= 0 && i < admissionClients &&
				(ms-age*admissionRTT)%admissionSpread == 0 {
				a.step(admissionClients+i, age)
			}
		}
	}
	for i := range 2 * admissionClients {
		if a.step(i, 2) {
			a.served[i/admissionClients]++
		}
	}
	a.salvo.end()
	b := a.TB.(*testing.B)
	b.ReportMetric(float64(100*a.served[0])/admissionClients, "%before")
	b.ReportMetric(float64(100*a.served[1])/admissionClients, "%meanwhile")
	b.ReportMetric(0, "ns/op")
}

// flood sends a millisecond's invented sources.
func (a *admission) flood() {
	a.now++
	a.turnAll()
	a.collectAll()
	for range admissionRate * a.steps / ports.MaxBurst {
		for i := range ports.MaxBurst {
			source := a.sent / a.steps
			frame := a.frames[a.sent%len(a.frames)]
			a.site.setSource(frame, uint16(1024+source/ports.MaxBurst%60_000))
			a.salvo.load(i, frame)
			a.sent++
		}
		a.salvo.fire()
	}
}

// setSource is setSource in the site's family.
func (s *site) setSource(frame []byte, port uint16) {
	if s.is6 {
		frame = frame[packet.IPv6Len-packet.IPv4MinLen:]
	}
	setSource(frame, port)
}

// step sends a client's packets of an age in round trips: SYN; ACK and request; more. It reports
// whether they reached a real server.
func (a *admission) step(i, age int) bool {
	c := clientAt(i)
	packets := []pkt{tcp(c, webVIP, "PA").carrying("more")}
	switch age {
	case 0:
		packets = []pkt{tcp(c, webVIP, "S")}
	case 1:
		a.answer(c)
		packets = []pkt{tcp(c, webVIP, "A"), tcp(c, webVIP, "PA").carrying("GET")}
	}
	a.collectAll()
	a.fromClient(packets...)
	sent := 0
	for _, f := range a.collectAll() {
		sent += len(f)
	}
	return sent == len(packets)
}

// answer is the real server's SYN/ACK to a client.
func (a *admission) answer(c string) {
	k := conntrack.Key{Protocol: packet.ProtocolTCP}
	in := a.site.in(tcp(c, webVIP, "S"))
	k.Src, k.SrcPort = packet.AddrOf(in.src.Addr()), in.src.Port()
	k.Dst, k.DstPort = packet.AddrOf(in.dst.Addr()), in.dst.Port()
	ref, known := a.worker.lookup(&k)
	if !known || !a.mode.TwoWay() {
		return
	}
	out := a.worker.sessions.Flow(ref.Slot(), conntrack.Outbound)
	from := netip.AddrPortFrom(out.Src.Netip(), out.SrcPort)
	to := netip.AddrPortFrom(out.Dst.Netip(), out.DstPort)
	a.fromServer(0, tcp(from.String(), to.String(), "SA"))
}
