package engine

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket/layers"

	"fulcrum/hostway"
	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
)

// eachCheck runs a test for every mode, site and family, with one worker and with two.
func eachCheck(t *testing.T, test func(t *testing.T, s site, m modes.Mode, workers int)) {
	for _, s := range sites {
		for _, m := range allModes {
			for _, workers := range []int{1, 2} {
				t.Run(fmt.Sprintf("%s/%s/%d", s.name, m, workers), func(t *testing.T) { test(t, s, m, workers) })
			}
		}
	}
}

// newCheckBed has a TCP and a UDP service of a mode with two real servers.
func newCheckBed(t testing.TB, s site, m modes.Mode, workers int, changes ...func(*bedConfig)) *bed {
	changes = append(changes, withHost, func(c *bedConfig) { c.workers = workers })
	return newBed(t, s, hosted(s.serving(s.web(m, 2), s.echo(m, 2))), changes...)
}

// checkOf is a check of a real server, as the host makes it.
type checkOf struct {
	*bed
	target *CheckTarget
	worker int
	host   pkt // a packet of the host, without payload
	wire   pkt // of the real server's answers; known after the first packet
	server host
	mode   modes.Mode
}

// openCheck opens a check of the i-th real server of the service that a packet to its real servers'
// port is for.
func (b *bed) openCheck(m modes.Mode, v Service, i int, p pkt) *checkOf {
	b.Helper()
	rs := v.RealServers[i]
	target, err := b.engine.OpenCheck(lvs.RealServerID{Service: v.ID(), Address: rs.Address})
	if err != nil {
		b.Fatal(err)
	}
	p.src = netip.AddrPortFrom(hostway.CheckSource(b.site.is6), 40_000)
	p.dst = netip.AddrPortFrom(target.Address, rs.Address.Port())
	return &checkOf{bed: b, target: target, host: p, server: b.site.servers[i], mode: m,
		worker: len(b.engine.workers) - 1}
}

// send has the host send a packet, and returns what the real server gets, from the IP header on,
// without a tunnel's.
func (c *checkOf) send(p pkt) (src, dst netip.AddrPort) {
	c.Helper()
	own := c.site.ports[c.site.front].mac
	c.fromHost(c.worker, c.site.front, p.frame(own, checkMAC))
	got := collect(c.ports[c.site.back])
	if len(got) != 1 {
		c.Fatalf("sent %d frames; dropped %q", len(got), c.drops())
	}
	frame := got[0]
	if to := packet.Ethernet(frame).Dst(); to != c.server.mac {
		c.Fatalf("sent to %v", to)
	}
	if c.mode == modes.IPIP {
		if _, outer := flowOfIP(frame); outer != c.server.addr {
			c.Fatalf("tunnelled to %v", outer)
		}
		frame = c.site.untunnelled(frame)
	}
	judge(c, frame)
	return flowOf(frame)
}

// untunnelled is a frame without its outer header, which is of the site's family.
func (s *site) untunnelled(frame []byte) []byte {
	overhead := packet.IPv4MinLen
	if s.is6 {
		overhead = packet.IPv6Len
	}
	frame = append(bytes.Clone(frame[:packet.EthernetLen]), frame[packet.EthernetLen+overhead:]...)
	packet.Ethernet(frame).SetType(packet.EtherTypeIPv4)
	if frame[packet.EthernetLen]>>4 == 6 {
		packet.Ethernet(frame).SetType(packet.EtherTypeIPv6)
	}
	return frame
}

// flowOfIP returns the addresses of a frame's IP header.
func flowOfIP(frame []byte) (src, dst netip.Addr) {
	b := frame[packet.EthernetLen:]
	if b[0]>>4 == 6 {
		return packet.IPv6(b).Src().Netip(), packet.IPv6(b).Dst().Netip()
	}
	return packet.AddrFrom4(packet.IPv4(b).Src()), packet.AddrFrom4(packet.IPv4(b).Dst())
}

// begin sends the first packet, and checks where it goes.
func (c *checkOf) begin(v Service, i int) {
	c.Helper()
	src, dst := c.send(c.host)
	want := v.RealServers[i].Address
	if !c.mode.TwoWay() {
		want = netip.AddrPortFrom(v.Address.Addr(), want.Port())
	}
	if dst != want {
		c.Fatalf("sent to %v, want %v", dst, want)
	}
	kind, ours := c.engine.snap.Load().kindOf(packet.AddrOf(src.Addr()))
	if wantKind := map[bool]addressKind{false: ownAddress, true: localAddress}[c.mode == modes.FullNAT]; !ours ||
		kind != wantKind {
		c.Fatalf("sent from %v", src)
	}
	if c.mode == modes.NAT && c.site.front != c.site.back && src.Addr() != c.site.ports[c.site.front].addr {
		c.Errorf("sent from %v, which the real server reaches without its gateway", src)
	}
	c.wire = c.host
	c.wire.src, c.wire.dst = dst, src
}

// brought delivers a frame of a real server to the first worker, and returns what the host gets.
func (b *bed) brought(frame []byte) handed {
	b.Helper()
	if !b.ports[b.site.back].Deliver(0, frame) {
		b.Fatal("no buffer")
	}
	b.turn()
	got := b.toHost()
	if len(got) != 1 {
		b.Fatalf("the host got %d frames; dropped %q", len(got), b.drops())
	}
	judge(b, got[0].frame)
	return got[0]
}

// answered has the real server send a packet, and expects it at the host.
func (c *checkOf) answered(p pkt) {
	c.Helper()
	p.src, p.dst = c.wire.src, c.wire.dst
	got := c.brought(p.frame(c.server.mac, c.site.ports[c.site.back].mac))
	src, dst := flowOf(got.frame)
	if src != c.host.dst || dst != c.host.src || int(got.port) != c.site.front ||
		packet.Ethernet(got.frame).Dst() != c.site.ports[c.site.front].mac {
		c.Fatalf("the host got %v -> %v at port %d", src, dst, got.port)
	}
	if !bytes.HasSuffix(got.frame, p.payload) {
		c.Errorf("the host got\n%s", dump(got.frame))
	}
}

// TestCheckThroughMode: a check goes to its very real server as the mode has it, and its answers
// come to the host. Nothing counts it.
func TestCheckThroughMode(t *testing.T) {
	eachCheck(t, func(t *testing.T, s site, m modes.Mode, workers int) {
		for name, p := range map[string]pkt{"tcp": tcp(client, webVIP, "S"), "udp": udp(client, echoVIP, "?")} {
			t.Run(name, func(t *testing.T) {
				b := newCheckBed(t, s, m, workers)
				v := s.web(m, 2)
				if name == "udp" {
					v = s.echo(m, 2)
				}
				for i := range v.RealServers {
					c := b.openCheck(m, v, i, p)
					c.begin(v, i)
					answer := p
					if name == "tcp" {
						answer.flags = packet.TCPSyn | packet.TCPAck
					}
					c.answered(answer)
					c.send(c.host.carrying("request"))
					c.answered(answer.carrying("this is the answer"))
					c.target.Close()
				}
				b.sessions(0)
				for i := range v.RealServers {
					b.connections(0, i, 0, 0)
				}
				for _, r := range b.engine.Report().Services {
					if r.Traffic != (Traffic{}) {
						t.Errorf("%s counts %+v", r.Service.Name, r.Traffic)
					}
				}
				b.dropped("")
			})
		}
	})
}

// TestCheckByPing: an echo request goes the same way, and its reply comes back.
func TestCheckByPing(t *testing.T) {
	eachCheck(t, func(t *testing.T, s site, m modes.Mode, workers int) {
		b := newCheckBed(t, s, m, workers)
		v := s.web(m, 2)
		c := b.openCheck(m, v, 1, pkt{})
		source, target := hostway.CheckSource(s.is6), c.target.Address
		sent := echo(source, target, true)
		b.fromHost(c.worker, s.front, sent.frame(s.ports[s.front].mac, checkMAC))
		got := collect(b.ports[s.back])
		if len(got) != 1 {
			t.Fatalf("sent %d frames; dropped %q", len(got), b.drops())
		}
		frame := got[0]
		if m == modes.IPIP {
			frame = s.untunnelled(frame)
		}
		src, dst := flowOfIP(frame)
		want := v.Address.Addr()
		if m.TwoWay() {
			want = s.servers[1].addr
		}
		if dst != want {
			t.Fatalf("sent to %v, want %v", dst, want)
		}
		reply := echo(dst, src, false)
		ip := packet.EthernetLen + packet.IPv4MinLen
		if s.is6 {
			ip = packet.EthernetLen + packet.IPv6Len
		}
		reply.rest = uint32(frame[ip+4])<<24 | uint32(frame[ip+5])<<16 | uint32(frame[ip+6])<<8 | uint32(frame[ip+7])
		back := b.brought(reply.frame(s.servers[1].mac, s.ports[s.back].mac))
		if from, to := flowOfIP(back.frame); from != target || to != source {
			t.Errorf("the host got %v -> %v", from, to)
		}
		if id := back.frame[ip+4 : ip+8]; !bytes.Equal(id, []byte{0, 0x11, 0, 0x22}) {
			t.Errorf("the host got identifier and sequence %x", id)
		}
	})
}

// echo is an echo request or reply in the family of its addresses.
func echo(src, dst netip.Addr, request bool) pkt {
	p := echoRequest("192.0.2.1", "192.0.2.2")
	p.src, p.dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	if !request {
		p.icmp = layers.CreateICMPv4TypeCode(packet.ICMPEchoReply, 0)
	}
	return p
}

// TestCheckIsRefused: the host hears of an ICMP error about its check, so that a check by UDP ends
// at once.
func TestCheckIsRefused(t *testing.T) {
	eachCheck(t, func(t *testing.T, s site, m modes.Mode, workers int) {
		b := newCheckBed(t, s, m, workers)
		v := s.echo(m, 2)
		c := b.openCheck(m, v, 0, udp(client, echoVIP, "is anybody there?"))
		c.begin(v, 0)
		about := c.host
		about.src, about.dst = c.wire.dst, c.wire.src
		p := icmpError("192.0.2.1", about, packet.ICMPUnreachable, packet.ICMPCodePortUnreachable, 0)
		p.src, p.dst = netip.AddrPortFrom(s.servers[0].addr, 0), netip.AddrPortFrom(about.src.Addr(), 0)
		got := b.brought(p.frame(s.servers[0].mac, s.ports[s.back].mac))
		read := packet.Parsed{}
		packet.Parse(got.frame, &read)
		message := got.frame[read.Transport:read.End]
		quote, ok := packet.Quoted4(message[packet.ICMPLen:])
		if s.is6 {
			quote, ok = packet.Quoted6(message[packet.ICMPLen:])
		}
		sent := packet.Key{Flow: packet.Flow{
			Src: packet.AddrOf(c.host.src.Addr()), SrcPort: c.host.src.Port(),
			Dst: packet.AddrOf(c.host.dst.Addr()), DstPort: c.host.dst.Port(),
		}, Protocol: packet.ProtocolUDP}
		if !ok || quote.Key != sent {
			t.Errorf("the host got\n%s", dump(got.frame))
		}
		b.dropped("")
	})
}

// TestCheckInSpite: a check reaches a real server that gets no sessions: one that is down, has
// weight 0 or its threshold, and whose director has no room for another session.
func TestCheckInSpite(t *testing.T) {
	for name, change := range map[string]func(v Service) Service{
		"down":      func(v Service) Service { return down(v, 0) },
		"drained":   func(v Service) Service { return weighted(v, 0, 0) },
		"inhibited": func(v Service) Service { v.RealServers[0].Inhibited = true; return v },
		"full":      func(v Service) Service { v.MaxSessions = 1; return v },
		"limited":   func(v Service) Service { v.MaxRate, v.MaxSessionsPerSource = 1, 1; return v },
		"sessions":  func(v Service) Service { return v },
	} {
		t.Run(name, func(t *testing.T) {
			eachCheck(t, func(t *testing.T, s site, m modes.Mode, workers int) {
				v := change(s.web(m, 1))
				b := newBed(t, s, hosted(s.serving(v)), withHost, func(c *bedConfig) {
					c.workers, c.sessions = workers, 4
				})
				for i := range 8 {
					b.fromClient(tcp(clientAt(i), webVIP, "S"))
				}
				b.collectAll()
				b.toHost()
				c := b.openCheck(m, v, 0, tcp(client, webVIP, "S"))
				c.begin(v, 0)
				c.answered(tcp(client, webVIP, "SA"))
			})
		})
	}
}

// TestCheckEnds: a check that resets its connection ends with that; another lasts for a moment
// after it was closed. Then its packets are dropped by name.
func TestCheckEnds(t *testing.T) {
	eachCheck(t, func(t *testing.T, s site, m modes.Mode, workers int) {
		b := newCheckBed(t, s, m, workers)
		v := s.web(m, 2)
		flows := func() int { return len(b.engine.workers[workers-1].checks.list) }
		c := b.openCheck(m, v, 0, tcp(client, webVIP, "S"))
		c.begin(v, 0)
		c.answered(tcp(client, webVIP, "SA"))
		reset := c.host
		reset.flags = packet.TCPRst
		c.send(reset)
		if n := flows(); n != 0 {
			t.Errorf("%d flows after a reset", n)
		}
		c.begin(v, 0)
		c.target.Close()
		c.target.Close()
		c.send(c.host.carrying("the last words"))
		b.wait(checkLinger + 500)
		if n := flows(); n != 0 {
			t.Errorf("%d flows after the check", n)
		}
		b.fromHost(c.worker, s.front, c.host.frame(s.ports[s.front].mac, checkMAC))
		b.quiet()
		b.dropped("no_check=1")
	})
}

// TestCheckOfStrangers: nobody reaches the host by the flow of a check but its real server.
func TestCheckOfStrangers(t *testing.T) {
	eachCheck(t, func(t *testing.T, s site, m modes.Mode, workers int) {
		b := newCheckBed(t, s, m, workers)
		v := s.web(m, 2)
		c := b.openCheck(m, v, 0, tcp(client, webVIP, "S"))
		c.begin(v, 0)
		for _, change := range []func(p *pkt){
			func(p *pkt) { p.src = netip.AddrPortFrom(s.servers[1].addr, p.src.Port()) },
			func(p *pkt) { p.src = netip.AddrPortFrom(p.src.Addr(), p.src.Port()+1) },
			func(p *pkt) { p.dst = netip.AddrPortFrom(p.dst.Addr(), p.dst.Port()^1) },
			func(p *pkt) { p.protocol = packet.ProtocolUDP },
		} {
			p := tcp(client, webVIP, "SA")
			p.src, p.dst = c.wire.src, c.wire.dst
			change(&p)
			b.receive(s.back, p.frame(s.servers[0].mac, s.ports[s.back].mac))
		}
		for _, h := range b.toHost() {
			if src, _ := flowOf(h.frame); src == c.host.dst {
				t.Errorf("the host got\n%s", dump(h.frame))
			}
		}
		c.answered(tcp(client, webVIP, "SA"))
	})
}

// TestManyChecks: the addresses of checks rest before they are used again, and run out.
func TestManyChecks(t *testing.T) {
	s := oneArm
	v := s.web(modes.DR, 1)
	b := newBed(t, s, hosted(s.serving(v)), withHost)
	id := lvs.RealServerID{Service: v.ID(), Address: v.RealServers[0].Address}
	now := time.Now()
	b.engine.checks.now = func() time.Time { return now }
	var open []*CheckTarget
	for {
		c, err := b.engine.OpenCheck(id)
		if err == ErrManyChecks {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	if len(open) != hostway.CheckTargets {
		t.Errorf("%d addresses", len(open))
	}
	open[7].Close()
	if _, err := b.engine.OpenCheck(id); err != ErrManyChecks {
		t.Errorf("an address that has not rested: %v", err)
	}
	now = now.Add(checkRest)
	if c, err := b.engine.OpenCheck(id); err != nil || c.Address != open[7].Address {
		t.Errorf("%v, %v", c, err)
	}
	id.Address = netip.MustParseAddrPort("10.0.0.99:80")
	if _, err := b.engine.OpenCheck(id); err != ErrNoServer {
		t.Errorf("of a stranger: %v", err)
	}
	if _, err := newBed(t, s, s.serving(v)).engine.OpenCheck(id); err != ErrNoHost {
		t.Errorf("without a host: %v", err)
	}
}

// TestCheckAcrossFamilies: IPv6 services have IPv4 real servers in fullnat and in tunnels.
func TestCheckAcrossFamilies(t *testing.T) {
	s := twoArm
	for _, m := range []modes.Mode{modes.FullNAT, modes.IPIP} {
		v := s.web(m, 1)
		v.Address = sixPort(v.Address)
		n := hosted(s.serving(v))
		for i := range n.Ports {
			twin := netip.PrefixFrom(six(s.ports[i].addr), 120)
			n.Ports[i].Addresses = append(n.Ports[i].Addresses, twin)
		}
		b := newBed(t, s, n, withHost)
		c := b.openCheck(m, v, 0, tcp(client, webVIP, "S"))
		c.host.src = netip.AddrPortFrom(hostway.CheckSource(true), 40_000)
		src, dst := c.send(c.host)
		if want := v.RealServers[0].Address; m == modes.FullNAT && (dst != want || src.Addr() != s.local[1]) ||
			m == modes.IPIP && dst != v.Address {
			t.Fatalf("%v: sent %v -> %v", m, src, dst)
		}
		c.wire = c.host
		c.wire.src, c.wire.dst = dst, src
		c.answered(tcp(client, webVIP, "SA").carrying("four to six"))
	}
}

// TestCheckBlocks: workers know the addresses of checks as the host's side does.
func TestCheckBlocks(t *testing.T) {
	for _, text := range []string{
		"251.255.255.255", "252.0.0.0", "252.0.0.1", "252.1.255.255", "252.2.0.0", "10.0.0.1",
		"fd66:756c:6371:ffff:ffff:ffff:ffff:ffff", "fd66:756c:6372::", "fd66:756c:6372::ffff:ffff:ffff:ffff",
		"fd66:756c:6372:1::", "::1",
	} {
		a := netip.MustParseAddr(text)
		got := checkBlocks[0].has(packet.AddrOf(a)) || checkBlocks[1].has(packet.AddrOf(a))
		if got != hostway.IsReserved(a) {
			t.Errorf("%s: %t", text, got)
		}
	}
}
