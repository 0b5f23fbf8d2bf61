package engine

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"

	"fulcrum/hostway"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// padded is a frame of the least length.
func padded(f []byte) []byte { return append(f, make([]byte, max(0, packet.MinFrameLen-len(f)))...) }

// hostFrame is what the host sends to the gateway.
func (s *site) hostFrame(p pkt) []byte {
	return s.in(p).frame(s.ports[s.front].mac, s.gateway.mac)
}

// TestFromHost: frames of the host leave by their port as they are, or are dropped by name.
func TestFromHost(t *testing.T) {
	eachHost(t, func(t *testing.T, s site, workers int) {
		for _, holds := range []bool{false, true} {
			for name, c := range fromHostCases(&s) {
				want := c.verdict
				if holds && c.ifHeld != 0 {
					want = c.ifHeld - 1
				}
				t.Run(name+map[bool]string{true: ", held"}[holds], func(t *testing.T) {
					b := newHostBed(t, s, workers, holds)
					before := b.totals().FromHost
					b.fromHost(workers-1, s.front, c.frame)
					if n := b.totals().FromHost - before; n != 1 {
						t.Errorf("%d frames from the host", n)
					}
					if want == Taken {
						if got := collect(b.ports[s.front]); len(got) != 1 ||
							!bytes.Equal(got[0], padded(slices.Clone(c.frame))) {
							t.Errorf("sent %x; dropped %q", got, b.drops())
						}
						b.dropped("")
						return
					}
					b.quiet()
					b.dropped(want.String() + "=1")
				})
			}
		}
	})
}

type fromHostCase struct {
	frame   []byte
	verdict Verdict
	ifHeld  Verdict // plus one, if the host holds the VIP; 0 is the same
}

// fromHostCases are frames of the host with their fate.
func fromHostCases(s *site) map[string]fromHostCase {
	own, gw := s.ports[s.front], s.gateway
	local := netip.AddrPortFrom(s.local[0], 4000).String()
	vip := host{s.web(modes.NAT, 1).Address.Addr(), own.mac}
	other := own
	other.mac[5] ^= 0x40
	virtual := s.hostFrame(tcp(sshAt, client, "SA"))
	packet.Ethernet(virtual).SetSrc(packet.MAC{0, 0, 0x5e, 0, 1, 7})
	vrrp := s.toGroup(raw("10.0.0.1", "224.0.0.18", 112, 255), "ff02::12")
	packet.Ethernet(vrrp).SetSrc(own.mac)
	tagged := s.hostFrame(tcp(sshAt, client, "SA"))
	copy(tagged[12:], "\x81\x00")
	largest := udp("10.0.0.1:53", client, strings.Repeat("x", 1500-28))
	if s.is6 {
		largest.payload = largest.payload[20:]
	}
	longer := largest.with(func(p *pkt) { p.payload = append(slices.Clone(p.payload), 0) })
	piece := func(src string, i int) []byte {
		whole := s.in(udp(src, client, strings.Repeat("0123456789", 300)))
		whole.protocol = packet.ProtocolUDP
		return ethernet(own.mac, gw.mac, whole.etherType(), fragmentsOf(whole, 1200)[i])
	}
	tcpPiece := func(src string) []byte {
		whole := s.in(tcp(src, client, "A").carrying(strings.Repeat("0123456789", 300)))
		return ethernet(own.mac, gw.mac, whole.etherType(), fragmentsOf(whole, 1200)[0])
	}
	all := map[string]fromHostCase{
		"an answer":              {s.hostFrame(tcp(sshAt, client, "SA")), Taken, 0},
		"a datagram":             {s.hostFrame(udp("10.0.0.1:53", client, "!")), Taken, 0},
		"VRRP":                   {vrrp, Taken, 0},
		"of an unknown address":  {s.hostFrame(tcp("10.0.0.77:22", client, "SA")), Taken, 0},
		"LLDP":                   {llc(own.mac, packet.MAC{1, 0x80, 0xc2, 0, 0, 0xe}, 0x88cc), Taken, 0},
		"of the largest size":    {s.hostFrame(largest), Taken, 0},
		"an echo request":        {s.hostFrame(echoRequest("10.0.0.1", "192.168.5.9")), Taken, 0},
		"too long":               {s.hostFrame(longer), DropHostFrame, 0},
		"too short":              {s.hostFrame(largest)[:13], DropHostFrame, 0},
		"nothing":                {[]byte{}, DropHostFrame, 0},
		"a header alone":         {s.hostFrame(largest)[:14], DropTruncated, 0},
		"of a virtual router":    {virtual, DropHostMAC, 0},
		"tagged":                 {tagged, DropVLAN, 0},
		"a served port's reset":  {s.hostFrame(tcp(webVIP, client, "R")), DropHostSource, 0},
		"a VIP's datagram":       {s.hostFrame(udp("10.0.0.100:53", client, "!")), DropHostSource, Taken + 1},
		"a VIP's other port":     {s.hostFrame(tcp("10.0.0.100:81", client, "RA")), DropHostSource, Taken + 1},
		"a VIP's ping":           {s.hostFrame(echoRequest(vipAlone, "192.168.5.9")), DropHostSource, Taken + 1},
		"of a local address":     {s.hostFrame(tcp(local, client, "S")), DropHostSource, 0},
		"a VIP's fragment":       {piece("10.0.0.100:53", 0), DropHostSource, Taken + 1},
		"its later fragment":     {piece("10.0.0.100:53", 1), DropHostSource, Taken + 1},
		"a served port's":        {tcpPiece(webVIP), DropHostSource, 0},
		"an own fragment":        {piece("10.0.0.1:53", 0), Taken, 0},
		"a length that is wrong": {s.hostFrame(largest)[:60], DropIPLength, 0},
	}
	if s.is6 {
		router := host{netip.MustParseAddr("ff02::1"), packet.MAC(packet.AllNodesMAC)}
		loud := func(who host) []byte { return nd(who, router, ndAdvertisement, 0x20000000, who.addr) }
		all["a header alone"] = fromHostCase{s.hostFrame(largest)[:14], DropTruncated, 0}
		all["a question"] = fromHostCase{solicits(gw.addr, own), Taken, 0}
		all["a VIP's question"] = fromHostCase{solicits(gw.addr, vip), DropHostSource, Taken + 1}
		all["an advertisement"] = fromHostCase{advertises(own, gw), DropHostNeighbour, 0}
		all["to all"] = fromHostCase{loud(own), Taken, 0}
		all["a VIP's to all"] = fromHostCase{
			nd(own, router, ndAdvertisement, 0x20000000, vip.addr), DropHostSource, Taken + 1}
		false6 := nd(own, router, ndAdvertisement, 0x20000000, own.addr)
		false6[len(false6)-1] ^= 1
		all["a wrong checksum"] = fromHostCase{false6, DropBadND, 0}
		macOfAnother := loud(other)
		packet.Ethernet(macOfAnother).SetSrc(own.mac)
		all["another MAC"] = fromHostCase{macOfAnother, DropHostMAC, 0}
		return all
	}
	macOfAnother := whoHas(gw.addr, other)
	packet.Ethernet(macOfAnother).SetSrc(own.mac)
	nobody := host{netip.IPv4Unspecified(), own.mac}
	lip := host{s.local[0], own.mac}
	all["a question"] = fromHostCase{whoHas(gw.addr, own), Taken, 0}
	all["a probe"] = fromHostCase{whoHas(gw.addr, nobody), Taken, 0}
	all["a VIP's question"] = fromHostCase{whoHas(gw.addr, vip), DropHostSource, Taken + 1}
	all["a local address's question"] = fromHostCase{whoHas(gw.addr, lip), DropHostSource, 0}
	all["an ARP reply"] = fromHostCase{isAt(own, gw), DropHostNeighbour, 0}
	all["gratuitous"] = fromHostCase{whoHas(vip.addr, vip), DropHostSource, Taken + 1}
	all["a gratuitous reply"] = fromHostCase{
		arpPacket(layers.ARPReply, vip, vip.addr, packet.Broadcast, packet.Broadcast),
		DropHostSource, Taken + 1}
	all["another MAC"] = fromHostCase{macOfAnother, DropHostMAC, 0}
	return all
}

// TestFromHostAPieceATurn: a worker takes a bounded number of frames a turn, in order, and counts
// them as work, so that it does not fall asleep over more.
func TestFromHostAPieceATurn(t *testing.T) {
	b := newHostBed(t, oneArm, 1, false)
	var want [][]byte
	for i := range hostFrames*2 + 5 {
		f := padded(oneArm.hostFrame(udp("10.0.0.1:9", client, "!").
			with(func(p *pkt) { p.id = uint16(i) })))
		want = append(want, f)
		b.links[0].FromHost.Put(0, f)
	}
	for _, n := range []int{hostFrames, hostFrames, 5, 0} {
		if got := b.worker.Turn(b.now); got != n {
			t.Errorf("a turn took %d frames, want %d", got, n)
		}
		b.balanced()
	}
	b.turn()
	b.sent(0, want...)
}

// TestFromHostWithoutRoom: frames of the host are dropped by name when the device takes none, and
// when there is no buffer.
func TestFromHostWithoutRoom(t *testing.T) {
	stuck := false
	b := newBed(t, oneArm, hosted(oneArm.settings()), withHost, func(c *bedConfig) {
		c.wrap = func(p ports.Port) ports.Port { return stalled{p, &stuck} }
	})
	frame := oneArm.hostFrame(udp("10.0.0.1:53", client, "!"))
	stuck = true
	for range ports.MaxBurst + 3 {
		b.fromHost(0, 0, frame)
	}
	stuck = false
	b.turn()
	b.dropped("tx_full=3")
	few := newBed(t, oneArm, hosted(oneArm.settings()), withHost,
		func(c *bedConfig) { c.buffers = 1 })
	few.links[0].FromHost.Put(0, frame)
	few.fromHost(0, 0, frame)
	few.dropped("no_buffer=1")
}

// TestCaptureOfHost: a capture sees what comes to the host and what it sends, also what is dropped.
func TestCaptureOfHost(t *testing.T) {
	b := newHostBed(t, oneArm, 1, false)
	got, _ := b.whileCapturing(everyStage(100), func() {
		b.receive(0, oneArm.frames(tcp(client, sshAt, "S"))...)
		b.fromHost(0, 0, oneArm.hostFrame(tcp(sshAt, client, "SA")),
			oneArm.hostFrame(tcp(webVIP, client, "R")))
	})
	want := []string{"rx 0 taken", "drop 0 host", "drop 0 host_source", "tx 0 taken"}
	for _, line := range want {
		if !strings.Contains(got, line) {
			t.Errorf("captured\n%s\nwithout %q", got, line)
		}
	}
}

// TestFromHostAllocatesNothing, whatever becomes of the frames.
func TestFromHostAllocatesNothing(t *testing.T) {
	b := newHostBed(t, oneArm, 1, true)
	for name, c := range fromHostCases(&oneArm) {
		allocs := testing.AllocsPerRun(100, func() {
			b.links[0].FromHost.Put(0, c.frame)
			b.worker.serveHost()
			out := &b.worker.out[0]
			b.worker.counters.totals.Transmitted += uint64(out.N)
			b.ports[0].Queue(0).Exchange(nil, out, nil)
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

// TestEmptyTurnWithHostAllocatesNothing, and takes no frame.
func TestEmptyTurnWithHostAllocatesNothing(t *testing.T) {
	b := newHostBed(t, twoArm, 1, true)
	allocs := testing.AllocsPerRun(1000, func() { b.now += 3; b.worker.Turn(b.now) })
	if n := b.totals().FromHost; allocs != 0 || n != 0 {
		t.Errorf("%v allocations a turn, %d frames from the host", allocs, n)
	}
}

// TestHostIsWoken: the host's side is woken once a turn, if it sleeps and there are frames for it.
func TestHostIsWoken(t *testing.T) {
	woken := 0
	b := newHostBed(t, oneArm, 1, false)
	b.links[0] = hostway.NewLink(hostRing, 1518, func() { woken++ })
	b.worker.link = b.links[0]
	for _, packets := range []int{0, 3, 0} {
		if !b.links[0].Sleep() {
			t.Fatal("there are frames")
		}
		before := woken
		for range packets {
			b.deliver(0, oneArm.frames(tcp(client, sshAt, "S"))...)
		}
		b.worker.Turn(b.now)
		b.worker.Turn(b.now)
		if want := min(packets, 1); woken-before != want {
			t.Errorf("woken %d times for %d packets", woken-before, packets)
		}
		b.links[0].Awake()
		b.toHost()
	}
	b.collectAll()
}

// TestHostConfig: each worker has a link, or none.
func TestHostConfig(t *testing.T) {
	b := newHostBed(t, oneArm, 3, false)
	cfg := b.engine.cfg
	cfg.Host = cfg.Host[:2]
	if _, err := New(cfg, oneArm.settings()); err == nil || !strings.Contains(err.Error(), "2 links") {
		t.Errorf("error %v", err)
	}
	if r := b.engine.Report(); len(r.Host) != int(NumHostClasses) {
		t.Errorf("the report has %d classes", len(r.Host))
	}
	if r := newBed(t, oneArm, oneArm.settings()).engine.Report(); r.Host != nil {
		t.Errorf("a report without host interface has %+v", r.Host)
	}
}

// FuzzFromHost has the host send any bytes. The worker must account for each frame; what leaves
// must come from the port's MAC, and never from what the director serves.
func FuzzFromHost(f *testing.F) {
	for _, s := range []site{oneArm, oneArm.twin()} {
		for _, c := range fromHostCases(&s) {
			f.Add(appendFrame(nil, 0, c.frame))
		}
		for _, p := range []pkt{tcp("252.0.0.1:4000", "252.1.0.0:80", "S"), udp("252.0.0.1:4000", "252.1.0.3:7", "?")} {
			p.src = netip.AddrPortFrom(hostway.CheckSource(s.is6), 4000)
			p.dst = netip.AddrPortFrom(hostway.CheckTarget(int(p.dst.Addr().As4()[3]), s.is6), p.dst.Port())
			f.Add(appendFrame(nil, 0, p.frame(s.ports[0].mac, checkMAC)))
		}
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		b := newBed(t, twoArm, hosted(everythingTwice()), withHost,
			func(c *bedConfig) { c.sessions, c.buffers = 16, 256 })
		b.engine.SetHostVIPs([]netip.Addr{at4(vipAlone).Addr(), six(at4(vipAlone).Addr())})
		b.openChecks()
		for flags, frame, rest, ok := cutFrame(input); ok; flags, frame, rest, ok = cutFrame(rest) {
			if len(frame) >= packet.EthernetLen && flags&4 == 0 {
				copy(frame[6:], b.site.ports[flags&1].mac[:])
			}
			b.links[0].FromHost.Put(uint16(flags&3), frame)
			b.turn()
			b.hostLeft()
		}
	})
}

// probe has the host check any real server: it begins, goes on or ends.
func (s *sequence) probe(port int) {
	live := s.engine.registry.live
	if len(s.targets) < 4 {
		if target, err := s.engine.OpenCheck(live[s.below(len(live))].id); err == nil {
			s.targets = append(s.targets, target)
		}
		return
	}
	i := s.below(len(s.targets))
	target := s.targets[i]
	p := tcp(client, webVIP, []string{"S", "A", "R", "FA"}[s.below(4)])
	switch s.below(4) {
	case 0:
		p = udp(client, webVIP, "from the host")
	case 1:
		p = echoRequest("192.0.2.1", "192.0.2.2")
	}
	p.src = netip.AddrPortFrom(hostway.CheckSource(target.Address.Is6()), uint16(4000+s.below(3)))
	p.dst = netip.AddrPortFrom(target.Address, []uint16{80, 8080, 7}[s.below(3)])
	s.links[s.below(2)].FromHost.Put(uint16(port), p.frame(s.site.ports[port].mac, checkMAC))
	if s.below(8) == 0 {
		target.Close()
		s.targets = slices.Delete(s.targets, i, i+1)
	}
}

// openChecks opens a check of each real server.
func (b *bed) openChecks() {
	b.Helper()
	for _, live := range b.engine.registry.live {
		if _, err := b.engine.OpenCheck(live.id); err != nil {
			b.Fatal(err)
		}
	}
}

// hostLeft checks what the host has sent.
func (b *bed) hostLeft() {
	b.Helper()
	for port, frames := range b.collectAll() {
		for _, f := range frames {
			var p packet.Parsed
			packet.Parse(f, &p)
			switch {
			case p.Kind == packet.Invalid || p.Kind == packet.Tagged:
				b.Fatalf("port %d sent what is of kind %d, fault %d:\n%s", port, p.Kind, p.Fault, dump(f))
			case packet.Ethernet(f).Src() != b.site.ports[port].mac:
				b.Fatalf("port %d sent under another's MAC:\n%s", port, dump(f))
			case p.Kind.HasSession():
				k := p.Key(f)
				if _, served := b.worker.snap.serviceAt(k.Src, k.SrcPort, k.Protocol); served {
					b.Fatalf("the host spoke for a service:\n%s", dump(f))
				}
			}
		}
	}
}

// fromHost has the host send a packet, from an address that it may use or not.
func (s *sequence) fromHost() {
	port := s.below(2)
	own := s.site.ports[port].addr
	from := []netip.AddrPort{
		netip.AddrPortFrom(own, 22), at4("10.0.0.100:80"), at4("10.0.0.100:22"),
		netip.AddrPortFrom(s.site.local[0], 4000),
	}[s.below(4)]
	to := netip.AddrPortFrom(netip.MustParseAddr("192.168.5.9"), uint16(4000+s.below(5)))
	if s.below(3) == 0 {
		s.probe(port)
		return
	}
	p := tcp(from.String(), to.String(), []string{"SA", "A", "R", "S"}[s.below(4)])
	if s.below(3) == 0 {
		p = udp(from.String(), to.String(), "from the host")
	}
	if s.below(2) == 1 {
		p = p.six()
	}
	frame := p.frame(s.site.ports[port].mac, s.site.gateway.mac)
	if s.below(4) == 0 {
		binary.BigEndian.PutUint16(frame[packet.EthernetLen+2:], uint16(s.next()))
	}
	s.links[s.below(2)].FromHost.Put(uint16(port), frame)
}

// TestRunWithHost: workers on their own threads exchange frames with a host on another one.
func TestRunWithHost(t *testing.T) {
	const each = 500
	s := oneArm
	b := newSilentBed(t, s, hosted(s.settings()), withHost, func(c *bedConfig) { c.workers = 2 })
	bell := make(chan struct{}, 1)
	for i, w := range b.engine.workers {
		b.links[i] = hostway.NewLink(hostRing, 1518, func() {
			select {
			case bell <- struct{}{}:
			default:
			}
		})
		w.link = b.links[i]
	}
	stop := b.start()
	over, ended := make(chan struct{}), make(chan struct{})
	go func() { defer close(ended); b.turnRound(bell, over) }()
	for i := range 2 * each {
		f := s.frames(udp("10.0.0.9:5000", "10.0.0.1:3784", "up").ttlOf(255))[0]
		if !b.ports[0].Deliver(i%2, f) {
			t.Fatal("no buffer")
		}
		sent := func() bool { return b.engine.Report().Received > uint64(i)/64*64 }
		if i%64 == 0 {
			b.await("the workers", sent)
		}
	}
	answers := 0
	b.await("all answers", func() bool {
		for _, f := range collect(b.ports[0]) {
			if len(f) > 40 && packet.Ethernet(f).Dst() == s.gateway.mac {
				answers++
			}
		}
		return answers == 2*each
	})
	close(over)
	<-ended
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if r := b.engine.Report(); r.Balance() != 0 || r.ToHost != 2*each || r.FromHost != 2*each ||
		r.Host[HostRouting].Handed != 2*each {
		t.Errorf("at the end: %+v", r)
	}
}

// turnRound is a host that sends every packet back to its sender, until it is over.
func (b *bed) turnRound(bell, over <-chan struct{}) {
	for {
		for _, l := range b.links {
			for port, f := l.ToHost.Peek(); f != nil; port, f = l.ToHost.Peek() {
				f = bytes.Clone(f)
				e, ip := packet.Ethernet(f), packet.IPv4(f[packet.EthernetLen:])
				src, dst := ip.Src(), ip.Dst()
				e.SetHeader(e.Src(), e.Dst(), e.Type())
				ip.SetSrc(dst)
				ip.SetDst(src)
				if l.FromHost.Put(port, f) {
					l.ToHost.Next()
				}
			}
		}
		if b.links[0].Sleep() && b.links[1].Sleep() {
			select {
			case <-bell:
			case <-over:
				return
			}
		}
		for _, l := range b.links {
			l.Awake()
		}
	}
}
