package engine

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
)

// FuzzSequence plays a sequence of events, read from bytes, to a director with two workers and all
// modes. Events are packets of both families, whole, in fragments or damaged, answers of real
// servers, ICMP errors about their packets, ARP and neighbour discovery, packets of the host, time,
// and changes of the configuration. After every step the director must have accounted for every
// packet, buffer and connection. Every packet it sent must be well-formed and come from its own
// MAC. The host must get nothing for a port with a service.
func FuzzSequence(f *testing.F) {
	for seed := range uint64(24) {
		f.Add(randomTape(rand.New(rand.NewPCG(seed, 0))))
	}
	// A connection in every mode and family, with the real server's answer and an error about each
	// packet. The ports are NICs: no packet names its queue.
	tape := []byte{1}
	for service := range byte(len(sequenceVariants()[0].Services)) {
		for _, event := range [][eventBytes]byte{
			{thenTurn + eventClient, service}, {thenTurn + eventAnswer},
			{thenTurn + eventError, 1, 0, 1, 255}, {thenTurn + eventError, 0, 0, 1, 255},
		} {
			tape = append(tape, event[:]...)
		}
	}
	f.Add(tape)
	f.Fuzz(func(t *testing.T, tape []byte) {
		s := newSequence(t, tape)
		for steps := 0; len(s.tape) > 0 && steps < 200; steps++ {
			s.step()
		}
		s.wait(5000)
		s.check()
	})
}

// randomTape makes a long sequence in which sessions begin, send packets and lose their real
// servers.
func randomTape(r *rand.Rand) []byte {
	often := []byte{
		eventClient, eventClient, eventClient, eventAnswer, eventAnswer, eventFragment,
	}
	tape := []byte{byte(r.Uint32())}
	for range 200 {
		event := byte(r.IntN(int(numEvents)))
		if r.IntN(3) > 0 {
			event = often[r.IntN(len(often))]
		}
		tape = append(tape, event+byte(r.IntN(2))*thenTurn)
		for range eventBytes - 1 {
			tape = append(tape, byte(r.Uint32()))
		}
	}
	return tape
}

// thenTurn marks an event after which the workers turn until they are done. Events without it make
// bursts.
const thenTurn = 128

// eventBytes is the length of an event. It is fixed, so that a change of one event leaves the
// others alone.
const eventBytes = 10

// The events.
const (
	eventClient byte = iota
	eventAnswer
	eventEcho
	eventFragment
	eventError
	eventResolution
	eventDamaged
	eventTurn
	eventTime
	eventApply
	eventChange
	eventHost
	numEvents
)

// sequence is a director in the middle of a sequence.
type sequence struct {
	targets []*CheckTarget // of checks that are open
	*bed
	tape     []byte // still to be read
	event    []byte // the rest of the event in hand
	variants []Settings
	sent     [2][][]byte // by port: the last output
	spread   bool        // ports are NICs that deliver each flow to one worker
	pending  int         // packets delivered since the last turn
	time     time.Time   // time of control's changes
}

func newSequence(t *testing.T, tape []byte) *sequence {
	s, host := &sequence{variants: sequenceVariants(), time: time.Now()}, false
	if len(tape) > 0 {
		s.spread, host, s.tape = tape[0]&1 != 0, tape[0]&2 != 0, tape[1:]
	}
	s.bed = newBed(t, twoArm, s.variants[0], func(c *bedConfig) {
		c.workers, c.sessions, c.buffers, c.host = 2, 24, 512, host
		if s.spread {
			spreading(t, 2, byFlow)(c)
		}
	})
	if host {
		s.engine.SetHostVIPs([]netip.Addr{at4(vipAlone).Addr(), six(at4(vipAlone).Addr())})
	}
	return s
}

// sequenceVariants are the configurations of a sequence.
func sequenceVariants() []Settings {
	var all []Settings
	front, six := twoArm, twoArm.twin()
	known := append(front.settings().Neighbours, six.settings().Neighbours...)
	for i := range 4 {
		n := hosted(everythingTwice())
		n.Neighbours = known
		n.ExpireNoDest, n.SloppyTCP, n.RouteUnmatched = i%2 == 1, i == 2, i >= 2
		n.ResetUnknown = ResetUnknown((i + 2) % 3)
		n.SloppySCTP, n.NATICMPSend, n.ConnReuseMode = i%2 == 1, i != 1, uint8(3-i)
		n.ScheduleICMP, n.PMTUDisc = i >= 1, i < 2
		n.Defences = drawnDefences(i)
		for j := range n.Services {
			v := &n.Services[j]
			v.Scheduler = lvs.Schedulers()[(i+j)%len(lvs.Schedulers())]
			v.Silent = i >= 2 && j%2 == 0
			v.OnePacket = v.Protocol == lvs.UDP && v.Mode != modes.FullNAT && (i+j/2)%2 == 0
			v.MaxSessionsPerSource = []int{0, 2, 4}[(i+j)%3]
			v.MaxRatePerSource = []int{0, 0, 2, 5, 0}[(2*i+j)%5]
			switch {
			case i == 1 && len(v.RealServers) > 1:
				v.RealServers = v.RealServers[1:]
			case i == 2:
				v.RealServers[0].Weight, v.RealServers[0].Down = 0, i == 3
				v.RealServers[0].UpperThreshold = 2
			}
		}
		if i > 0 {
			n = mixed(n, i)
		}
		if i == 3 {
			n.Services, n.Neighbours = n.Services[len(n.Services)/3:], nil
		}
		all = append(all, n)
	}
	return all
}

// mixed gives the last real server of each service another mode of its own in each variant.
func mixed(n Settings, variant int) Settings {
	for i := range n.Services {
		mix(&n.Services[i], allModes[(variant+i/2)%len(allModes)])
	}
	return n
}

// mix gives the last real server of a service a mode of its own, if that mode reaches it and has
// the local addresses that it needs.
func mix(v *Service, m modes.Mode) {
	v.RealServers = slices.Clone(v.RealServers) // services share them
	rs := &v.RealServers[len(v.RealServers)-1]
	reached := m.Reaches(v.Address.Addr().Is6(), rs.Address.Addr().Is6())
	if reached && (m != modes.FullNAT || len(v.LocalAddresses) > 0) {
		rs.Mode = lvs.Own(m)
	}
}

// next reads a byte of the event, and zeros behind its end.
func (s *sequence) next() byte {
	if len(s.event) == 0 {
		return 0
	}
	b := s.event[0]
	s.event = s.event[1:]
	return b
}

// below reads a number below n.
func (s *sequence) below(n int) int { return int(s.next()) % n }

// step plays an event.
func (s *sequence) step() {
	n := min(eventBytes, len(s.tape))
	s.event, s.tape = s.tape[:n], s.tape[n:]
	event := s.next()
	switch event &^ thenTurn % numEvents {
	case eventClient:
		s.packet(0, s.client())
	case eventEcho:
		s.echo()
	case eventAnswer:
		s.answer()
	case eventFragment:
		s.fragment()
	case eventError:
		s.icmpError()
	case eventResolution:
		s.resolution()
	case eventDamaged:
		s.damaged()
	case eventTurn:
		s.settle()
	case eventTime:
		s.settle()
		s.now += []uint32{1, 150, 1100, 3100, 31_000, 130_000, 400_000}[s.below(7)]
		s.settle()
	case eventApply:
		s.apply()
	case eventChange:
		s.change()
	case eventHost:
		if s.links != nil {
			s.fromHost()
		}
	}
	if event&thenTurn != 0 || s.pending > 40 {
		s.settle()
	}
}

// apply applies one of the configurations, now or after removed real servers have been forgotten.
// By then the workers know of the removal, and have forgotten the datagrams that came before it.
func (s *sequence) apply() {
	n, later := s.variants[s.below(len(s.variants))], s.below(4) == 0
	if later {
		s.now += 61_000
		s.settle()
		s.time = s.time.Add(2 * forgetAfter)
	}
	if err := s.engine.applyAt(n, s.time); err != nil {
		s.Fatal(err)
	}
}

// change removes a service, or puts one with other real servers or weights.
func (s *sequence) change() {
	var n Change
	v := s.variants[s.below(len(s.variants))].Services[s.below(len(s.variants[3].Services))]
	v.RealServers = slices.Clone(v.RealServers)
	switch i := s.below(len(v.RealServers)); s.below(4) {
	case 0:
		n.Remove = []lvs.ServiceID{v.ID()}
	case 1:
		v.RealServers = slices.Delete(v.RealServers, i, i+1)
	case 2:
		v.RealServers[i].Weight, v.RealServers[i].Down = int32(s.below(4)), s.below(5) == 0
		v.RealServers[i].Inhibited = s.below(5) == 0
	case 3:
		v.RealServers[i].UpperThreshold = int32(s.below(4))
	}
	if n.Remove == nil {
		n.Put = []Service{v}
	}
	if err := s.engine.changeAt(n, s.time); err != nil {
		s.Fatal(err)
	}
}

// settle turns the workers until they are done, and checks the results.
func (s *sequence) settle() {
	s.turn()
	s.pending = 0
	s.check()
}

// bring delivers a frame to the queue of the port's hash, or to any queue.
func (s *sequence) bring(port int, frame []byte) {
	s.pending++
	if s.spread {
		s.deliver(port, frame)
	} else if !s.ports[port].Deliver(s.below(2), frame) {
		s.Fatal("the pool has no buffer for a frame")
	}
}

// packet delivers a packet from the gateway or a real server.
func (s *sequence) packet(port int, p pkt) {
	s.bring(port, p.frame(s.site.gateway.mac, s.site.ports[port].mac))
}

// client reads a client's packet to one of the services, or to none.
func (s *sequence) client() pkt {
	services := s.variants[0].Services
	v := services[s.below(len(services))]
	from := netip.AddrPortFrom(netip.MustParseAddr("192.168.5.9"), uint16(4000+s.below(5)))
	if v.Address.Addr().Is6() {
		from = sixPort(from)
	}
	flags := []string{"S", "S", "A", "FA", "R", "SA", "PA"}[s.below(7)]
	p := tcp(from.String(), v.Address.String(), flags)
	p.protocol = uint8(v.Protocol)
	switch p.protocol {
	case packet.ProtocolUDP:
		p.payload = []byte("question")
	case packet.ProtocolSCTP:
		p.payload = s.sctp(from, v.Address)
	}
	return s.odd(p)
}

// echo sends an echo request to a VIP, a real server or the director itself.
func (s *sequence) echo() {
	to := []string{vipAlone, "10.1.0.1", "10.1.0.11"}[s.below(3)]
	p := icmp("192.168.5.9", to, packet.ICMPEchoRequest, 0, uint32(s.below(3))<<16, []byte("ping?"))
	if s.below(2) == 1 {
		p = p.six()
	}
	s.packet(0, s.odd(p))
}

// odd makes a packet unusual in some way.
func (s *sequence) odd(p pkt) pkt {
	how := s.next()
	switch how & 7 {
	case 1:
		p.ttl = 1
	case 2:
		p.payload = append(p.payload, make([]byte, 1400+s.below(120))...)
	case 3:
		p.mss = 1460
	case 4:
		p.padding = s.below(30)
	}
	p.df = how&8 != 0
	return p
}

// sctp makes the header and a chunk of an SCTP packet. Its checksum is wrong; only the receiver
// checks it.
func (s *sequence) sctp(from, to netip.AddrPort) []byte {
	b := binary.BigEndian.AppendUint16(nil, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = append(b, make([]byte, 8)...)
	return append(b, byte(s.below(15)), 0, 0, 8, 0, 0, 0, 0)
}

// earlier reads one of the frames that a port has sent; ok is false if the port has sent no IP
// packet.
func (s *sequence) earlier(port int) (frame []byte, key packet.Key, ok bool) {
	if len(s.sent[port]) == 0 {
		return nil, key, false
	}
	frame = s.sent[port][len(s.sent[port])-1-s.below(len(s.sent[port]))]
	var m meta
	packet.Parse(frame, &m.Parsed)
	switch {
	case m.Kind.Is6():
		key = m.Key(frame)
	case packet.Ethernet(frame).Type() == packet.EtherTypeIPv4:
		key.Src, key.SrcPort = packet.AddrOf4(m.Src), m.SrcPort
		key.Dst, key.DstPort = packet.AddrOf4(m.Dst), m.DstPort
		key.Protocol = m.Protocol
	}
	return frame, key, key.Protocol != 0
}

// answer sends a station's answer to a frame that it received.
func (s *sequence) answer() {
	port := 1 - s.below(2)
	_, k, ok := s.earlier(port)
	if !ok {
		return
	}
	from := netip.AddrPortFrom(k.Dst.Netip(), k.DstPort)
	to := netip.AddrPortFrom(k.Src.Netip(), k.SrcPort)
	p := tcp(from.String(), to.String(), []string{"SA", "A", "FA", "RA", "PA"}[s.below(5)])
	switch k.Protocol {
	case packet.ProtocolTCP:
	case packet.ProtocolUDP:
		p = udp(from.String(), to.String(), "answer")
	case packet.ProtocolSCTP:
		p.protocol, p.payload = k.Protocol, s.sctp(from, to)
	default:
		id := uint32(s.next()) << 16
		p = icmp(from.Addr().String(), to.Addr().String(), 0, 0, id, []byte("pong"))
	}
	s.packet(port, s.odd(p))
}

// fragment sends a fragment of a datagram, which other events may complete.
func (s *sequence) fragment() {
	v := s.variants[0].Services[s.below(len(s.variants[0].Services))]
	from := netip.AddrPortFrom(netip.MustParseAddr("192.168.5.9"), uint16(4000+s.below(2)))
	if v.Address.Addr().Is6() {
		from = sixPort(from)
	}
	whole := udp(from.String(), v.Address.String(), strings.Repeat("0123456789", 250))
	whole.protocol, whole.id = uint8(v.Protocol), uint16(s.below(4))
	if v.Protocol == lvs.SCTP {
		whole.payload = append(s.sctp(from, v.Address), whole.payload...)
	}
	size := []int{1200, 1200, 1208, 600, 8}[s.below(5)]
	pieces := fragmentsOf(whole, size)
	piece := pieces[s.below(min(len(pieces), 6))]
	s.bring(0, ethernet(s.site.gateway.mac, s.site.ports[0].mac, whole.etherType(), piece))
}

// icmpError sends an error about a frame that the director sent.
func (s *sequence) icmpError() {
	port := s.below(2)
	frame, k, ok := s.earlier(port)
	if !ok {
		return
	}
	router := "172.20.0.1"
	if k.Src.Netip().Is6() {
		router = "fd00:20::1"
	}
	kind := []struct{ typ, code uint8 }{
		{packet.ICMPUnreachable, packet.ICMPCodeFragmentationNeeded},
		{packet.ICMPUnreachable, packet.ICMPCodePortUnreachable},
		{packet.ICMPTimeExceeded, packet.ICMPCodeTTLExceeded},
	}[s.below(3)]
	quoted := frame[packet.EthernetLen:]
	quoted = quoted[:min(len(quoted), 28+2*s.below(256))]
	mtu := uint32(1200 + s.below(256))
	s.packet(port, icmp(router, k.Src.Netip().String(), kind.typ, kind.code, mtu, quoted))
}

// resolution sends ARP or neighbour discovery: a question for an address, or a station's answer.
func (s *sequence) resolution() {
	port := s.below(2)
	top := s.site
	if s.below(2) == 1 {
		top = top.twin()
	}
	claims := []host{{top.ports[0].addr, rogueMAC}, {top.local[0], rogueMAC}}
	who := append(append([]host{top.gateway, top.neighbour}, top.servers...), claims...)[s.below(7)]
	if s.below(4) == 0 {
		who.mac[5] ^= 0x80 // it has moved
	}
	whom := []netip.Addr{top.ports[port].addr, top.local[0], top.servers[0].addr}[s.below(3)]
	switch answers := s.below(2) == 0; {
	case answers && top.is6:
		s.bring(port, advertises(who, top.ports[port]))
	case answers:
		s.bring(port, isAt(who, top.ports[port]))
	case top.is6:
		s.bring(port, solicits(whom, who))
	default:
		s.bring(port, whoHas(whom, who))
	}
}

// damaged sends a client's packet or an earlier output frame, with some bytes changed or its end
// cut off.
func (s *sequence) damaged() {
	port := s.below(2)
	frame := s.client().frame(s.site.gateway.mac, s.site.ports[port].mac)
	if earlier, _, ok := s.earlier(port); ok && s.below(2) == 0 {
		frame = append([]byte(nil), earlier...)
		packet.Ethernet(frame).SetDst(s.site.ports[port].mac)
		packet.Ethernet(frame).SetSrc(s.site.gateway.mac)
	}
	for range 1 + s.below(3) {
		frame[s.below(len(frame))] ^= s.next()
	}
	if s.below(4) == 0 {
		frame = frame[:1+s.below(len(frame))]
	}
	s.bring(port, frame)
}

// check checks all output and all counters.
func (s *sequence) check() {
	s.Helper()
	for port, frames := range s.collectAll() {
		for _, f := range frames {
			s.left(port, f)
		}
		s.sent[port] = append(s.sent[port], frames...)
		s.sent[port] = s.sent[port][max(0, len(s.sent[port])-8):]
	}
	s.hostGotNoService()
	s.balanced()
	if held, out := s.totals().Held, s.pool.InUse(); uint64(out) != held {
		s.Fatalf("%d buffers are out, and %d packets are held", out, held)
	}
	s.connectionsAgree()
}

// hostGotNoService checks that the host got nothing for a port with a service, and no answer to a
// local address.
func (s *sequence) hostGotNoService() {
	s.Helper()
	for _, h := range s.toHost() {
		var p packet.Parsed
		if packet.Parse(h.frame, &p); !p.Kind.HasSession() {
			continue
		}
		k := p.Key(h.frame)
		_, served := s.worker.snap.serviceAt(k.Dst, k.DstPort, k.Protocol)
		if kind, _ := s.worker.snap.kindOf(k.Dst); served || kind.isLocal() {
			s.Fatalf("the host got\n%s", dump(h.frame))
		}
	}
}

// left checks a frame as wellFormed does.
func (s *sequence) left(port int, f []byte) {
	s.Helper()
	var p packet.Parsed
	packet.Parse(f, &p)
	switch {
	case p.Kind == packet.Invalid || p.Kind == packet.Other || p.Kind == packet.Tagged:
		s.Fatalf("port %d sent what is of kind %d, fault %d:\n%s", port, p.Kind, p.Fault, dump(f))
	case packet.Ethernet(f).Src() != s.site.ports[port].mac:
		s.Fatalf("port %d sent under another's MAC:\n%s", port, dump(f))
	case p.Kind != packet.ARPPacket && p.TTL == 0:
		s.Fatalf("port %d sent with TTL 0:\n%s", port, dump(f))
	}
}

// connectionsAgree compares each real server's connection counts, and those of sources, with the
// existing sessions.
func (s *sequence) connectionsAgree() {
	s.Helper()
	type connections struct{ active, inactive int32 }
	want, bySource := make([]connections, len(s.engine.registry.live)), 0
	for _, w := range s.engine.workers {
		for slot, ok := w.sessions.NextUsed(0); ok; slot, ok = w.sessions.NextUsed(slot + 1) {
			session := w.sessions.At(slot)
			if session.Live() && session.Flags&conntrack.BySource != 0 {
				bySource++
			}
			switch {
			case !session.Live():
			case session.State.Active():
				want[session.Server].active++
			default:
				want[session.Server].inactive++
			}
		}
	}
	if got := s.engine.snap.Load().sources.sessions(); got != bySource {
		s.Fatalf("sources count %d sessions, want %d", got, bySource)
	}
	for id, live := range s.engine.registry.live {
		if got := (connections{live.load.Active(), live.load.Inactive()}); got != want[id] {
			s.Fatalf("real server %d (%v) counts %+v, its sessions are %+v",
				id, live.id, got, want[id])
		}
	}
}
