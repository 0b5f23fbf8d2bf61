package engine

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// dropTests reach every drop reason, each without any other drop on the way.
var dropTests = map[Verdict]func(*testing.T) *bed{
	DropMultiSegment: func(t *testing.T) *bed {
		return flagged(t, func(p *ports.Packet) { p.RxFlags = ports.RxMultiSegment })
	},
	DropVLAN: func(t *testing.T) *bed {
		return flagged(t, func(p *ports.Packet) { p.RxFlags, p.VLAN = ports.RxVLAN, 5 })
	},
	DropNoHeadroom: func(t *testing.T) *bed {
		return flagged(t, func(p *ports.Packet) {
			f := append([]byte(nil), p.Bytes()...)
			p.Offset = packet.IPv4MinLen - 1
			copy(p.Bytes(), f)
		})
	},
	DropTruncated: func(t *testing.T) *bed {
		return damaged(t, func(f []byte) []byte { return f[:33] })
	},
	DropBadARP: func(t *testing.T) *bed {
		return damaged(t, func([]byte) []byte {
			f := whoHas(oneArm.ports[0].addr, oneArm.neighbour)
			f[14] = 9
			return f
		})
	},
	DropIPVersion: func(t *testing.T) *bed {
		return damaged(t, func(f []byte) []byte { f[14] = 0x65; return f })
	},
	DropIPHeaderLength: func(t *testing.T) *bed {
		return damaged(t, func(f []byte) []byte { f[14] = 0x44; return f })
	},
	DropIPLength: func(t *testing.T) *bed {
		return damaged(t, func(f []byte) []byte { return f[:50] })
	},
	DropIPChecksum: func(t *testing.T) *bed {
		return damaged(t, func(f []byte) []byte { f[25]++; return f })
	},
	DropIPOptions: func(t *testing.T) *bed {
		return damaged(t, func(f []byte) []byte { // TCP's ports become a loose source route
			f[14] = 0x46
			copy(f[34:], []byte{131, 4, 4, 0})
			ip := packet.IPv4(f[14:])
			ip.SetChecksum(0)
			ip.SetChecksum(^packet.Fold(packet.Sum(ip[:ip.HeaderLen()], 0)))
			return f
		})
	},
	DropIPv6Address: func(t *testing.T) *bed {
		return damagedSix(t, func(f []byte) []byte { f[22] = 0xff; return f })
	},
	DropIPv6Extension: func(t *testing.T) *bed {
		return damagedSix(t, func(f []byte) []byte { f[20] = 43; return f })
	},
	DropFragment: func(t *testing.T) *bed {
		return dropping(t, tcp(client, webVIP, "S").carrying("odd").
			with(func(p *pkt) { p.mf = true }))
	},
	DropTinyFragment: func(t *testing.T) *bed {
		return dropping(t, pkt{src: at4(client), dst: at4(webVIP), protocol: packet.ProtocolTCP,
			ttl: 64, offset: 1, payload: []byte("overwritten?")})
	},
	DropFragmentOverlap: func(t *testing.T) *bed {
		b := newBed(t, oneArm, oneArm.serving(oneArm.echo(modes.DR, 1)))
		for _, f := range [][]byte{fragmentsOf(long, 1200)[0], fragmentsOf(long, 1192)[1]} {
			b.receive(0, ethernet(oneArm.gateway.mac, oneArm.ports[0].mac, long.etherType(), f))
		}
		return b
	},
	DropFragmentTimeout: func(t *testing.T) *bed {
		b := newBed(t, oneArm, oneArm.serving(oneArm.echo(modes.DR, 1)))
		b.receive(0, ethernet(oneArm.gateway.mac, oneArm.ports[0].mac, long.etherType(),
			fragmentsOf(long, 1200)[1]))
		b.wait(1100)
		return b
	},
	DropFragmentsFull: func(t *testing.T) *bed {
		b := newBed(t, oneArm, oneArm.serving(oneArm.echo(modes.DR, 1)))
		for i := range conntrack.MaxQueued + 1 {
			f := fragmentsOf(long, 64)[i+1]
			b.deliver(0, ethernet(oneArm.gateway.mac, oneArm.ports[0].mac, long.etherType(), f))
		}
		b.turn()
		b.receive(0, ethernet(oneArm.gateway.mac, oneArm.ports[0].mac, long.etherType(),
			fragmentsOf(long, 64)[0]))
		return b
	},
	DropOtherFamily: func(t *testing.T) *bed {
		c := newCrossing(t, modes.FullNAT, packet.ProtocolUDP, true)
		to := sixPort(at4(webVIP))
		f := fragmentsOf(long.six().to(to), 1200)[0]
		c.receive(0, ethernet(c.gateway.mac, c.site.ports[0].mac, layers.EthernetTypeIPv6, f))
		return c.bed
	},
	DropSCTPChunk: func(t *testing.T) *bed {
		return dropping(t, pkt{src: at4(client), dst: at4(webVIP), protocol: packet.ProtocolSCTP,
			ttl: 64, payload: make([]byte, 16)})
	},
	DropICMPChecksum: func(t *testing.T) *bed {
		b := newBed(t, oneArm, oneArm.settings())
		f := echoRequest("192.168.5.9", "10.0.0.1").frame(oneArm.gateway.mac, oneArm.ports[0].mac)
		f[len(f)-1] ^= 1
		b.receive(0, f)
		return b
	},
	DropBadND: func(t *testing.T) *bed {
		s := oneArm.twin()
		b := newBed(t, s, s.settings())
		f := solicits(s.ports[0].addr, s.gateway)
		f[21] = 64
		b.receive(0, f)
		return b
	},
	DropNoBuffer: func(t *testing.T) *bed {
		b := newBed(t, oneArm, oneArm.serving(oneArm.echo(modes.IPIP, 1)),
			func(c *bedConfig) { c.buffers = 1 })
		b.fromClient(udp(client, echoVIP, strings.Repeat("x", 1470)))
		return b
	},
	DropTCPDataOffset: func(t *testing.T) *bed {
		return damaged(t, func(f []byte) []byte { f[46] = 0x40; return f })
	},
	DropUDPLength: func(t *testing.T) *bed {
		b := newBed(t, oneArm, oneArm.serving(oneArm.echo(modes.DR, 1)))
		f := udp(client, echoVIP, "?").frame(oneArm.gateway.mac, oneArm.ports[0].mac)
		f[39]++
		b.receive(0, f)
		return b
	},
	DropNotIP: func(t *testing.T) *bed {
		return damaged(t, func(f []byte) []byte { f[12], f[13] = 0x88, 0xcc; return f })
	},
	DropNotOurMAC: func(t *testing.T) *bed {
		return damaged(t, func(f []byte) []byte { f[5]++; return f })
	},
	DropSourceMAC: func(t *testing.T) *bed {
		return damaged(t, func(f []byte) []byte { f[6] |= 1; return f })
	},
	DropSourceAddress: func(t *testing.T) *bed {
		return dropping(t, tcp("127.0.0.1:4000", webVIP, "S"))
	},
	DropICMPError: func(t *testing.T) *bed {
		b := newBed(t, oneArm, oneArm.serving(oneArm.web(modes.NAT, 1)))
		b.fromClient(icmp("192.168.5.9", vipAlone, packet.ICMPUnreachable,
			packet.ICMPCodeFragmentationNeeded, 1400, make([]byte, 28)))
		return b
	},
	DropICMPLimit: func(t *testing.T) *bed {
		a := newAsked(t, oneArm, 2, oneArm.web(modes.NAT, 1))
		for from := packet.AddrOf4(9); a.engine.inquiries.takeError(from, a.now); {
		}
		a.fromClient(strayError("0.0.0.9", 1))
		return a.bed
	},
	DropNoSession: func(t *testing.T) *bed { return dropping(t, tcp(client, webVIP, "A")) },
	DropNoCallID: func(t *testing.T) *bed {
		b := newBed(t, oneArm, oneArm.serving(oneArm.sip(modes.DR, 1)))
		b.fromClient(udp(client, echoVIP, "\r\n\r\n"))
		return b
	},
	DropNoService: func(t *testing.T) *bed { return dropping(t, tcp(client, vipAlone+":81", "S")) },
	DropToHost:    func(t *testing.T) *bed { return dropping(t, tcp(client, "10.0.0.1:22", "S")) },
	DropHostLimit: func(t *testing.T) *bed {
		b := newHostBed(t, oneArm, 1, false)
		for range hostSourceRate.burst + 1 {
			b.fromClient(tcp(client, sshAt, "S"))
		}
		return b
	},
	DropHostFull: func(t *testing.T) *bed {
		b := newHostBed(t, oneArm, 1, false)
		for i := range hostRing/2 + 1 {
			b.fromClient(tcp(clientAt(250*i), sshAt, "S"))
		}
		return b
	},
	DropHostFrame: func(t *testing.T) *bed {
		return fromHost(t, func(f []byte) []byte { return f[:13] })
	},
	DropHostMAC: func(t *testing.T) *bed {
		return fromHost(t, func(f []byte) []byte { f[11]++; return f })
	},
	DropHostNeighbour: func(t *testing.T) *bed {
		return fromHost(t, func([]byte) []byte { return isAt(oneArm.ports[0], oneArm.gateway) })
	},
	DropHostSource: func(t *testing.T) *bed {
		return fromHost(t, func([]byte) []byte { return oneArm.hostFrame(tcp(webVIP, client, "R")) })
	},
	DropNoCheck: func(t *testing.T) *bed {
		return fromHost(t, func([]byte) []byte {
			p := udp("252.0.0.1:4000", "252.1.0.0:80", "?")
			return p.frame(oneArm.ports[0].mac, checkMAC)
		})
	},
	DropNotOurs: func(t *testing.T) *bed {
		return dropping(t, tcp("10.0.0.11:80", client, "SA"))
	},
	DropNoRealServer: func(t *testing.T) *bed {
		b := newBed(t, oneArm, oneArm.serving(oneArm.web(modes.DR, 0)))
		b.fromClient(tcp(client, webVIP, "S"))
		return b
	},
	DropRealServerGone: func(t *testing.T) *bed {
		b := dropping(t, tcp(client, webVIP, "S"))
		b.apply(oneArm.serving(oneArm.web(modes.IPIP, 0)))
		b.fromClient(tcp(client, webVIP, "A"))
		return b
	},
	DropOverload: func(t *testing.T) *bed {
		n := oneArm.serving(oneArm.echo(modes.DR, 1))
		n.DropPacket = DefenceOn
		b := newBed(t, oneArm, n)
		for i := range rateOn {
			b.fromClient(udp(clientAt(i), echoVIP, "?"))
		}
		return b
	},
	DropServiceRate: func(t *testing.T) *bed {
		v := oneArm.echo(modes.DR, 1)
		v.MaxRate = 1
		b := newBed(t, oneArm, oneArm.serving(v))
		b.fromClient(udp(clientAt(0), echoVIP, "?"), udp(clientAt(1), echoVIP, "?"))
		return b
	},
	DropSourceRate: func(t *testing.T) *bed {
		v := oneArm.echo(modes.DR, 1)
		v.MaxRatePerSource = 1
		b := newBed(t, oneArm, oneArm.serving(v))
		b.fromClient(udp(clientAt(0), echoVIP, "?"), udp(clientAt(1), echoVIP, "?"))
		return b
	},
	DropSourceFull: func(t *testing.T) *bed {
		v := oneArm.echo(modes.DR, 1)
		v.MaxSessionsPerSource = 1
		b := newBed(t, oneArm, oneArm.serving(v))
		b.fromClient(udp(clientAt(0), echoVIP, "?"), udp(clientAt(1), echoVIP, "?"))
		return b
	},
	DropServiceFull: func(t *testing.T) *bed {
		v := oneArm.echo(modes.DR, 1)
		v.MaxSessions = 2
		b := newBed(t, oneArm, oneArm.serving(v))
		for i := range 2 {
			b.fromClient(udp(clientAt(i), echoVIP, "?"), udp(clientAt(i), echoVIP, "?"))
		}
		b.fromClient(udp(clientAt(2), echoVIP, "?"))
		return b
	},
	DropSessionsFull: func(t *testing.T) *bed {
		b := newBed(t, oneArm, oneArm.serving(oneArm.echo(modes.DR, 1)),
			func(c *bedConfig) { c.sessions = 2 })
		for i := range 2 {
			b.fromClient(udp(clientAt(i), echoVIP, "?"), udp(clientAt(i), echoVIP, "?"))
		}
		b.fromClient(udp(clientAt(2), echoVIP, "?"))
		return b
	},
	DropFlowTaken: func(t *testing.T) *bed {
		other := oneArm.web(modes.NAT, 1)
		other.Address = at4(vipAlone + ":81")
		b := newBed(t, oneArm, oneArm.serving(oneArm.web(modes.NAT, 1), other))
		b.fromClient(tcp(client, webVIP, "S"), tcp(client, vipAlone+":81", "S"))
		return b
	},
	DropNoLocalPort: exhaustedLocalPorts,
	DropTTLExceeded: func(t *testing.T) *bed {
		return dropping(t, tcp(client, webVIP, "S").ttlOf(1))
	},
	DropTooBig: func(t *testing.T) *bed {
		return dropping(t, tcp(client, webVIP, "S").carrying(strings.Repeat("x", 1450)).
			with(func(p *pkt) { p.df = true }))
	},
	DropNoRoute: func(t *testing.T) *bed {
		n := oneArm.serving(oneArm.web(modes.DR, 1))
		n.Routes = nil
		n.Services[0].RealServers[0].Address = at4("10.7.0.1:80")
		b := newBed(t, oneArm, n)
		b.fromClient(tcp(client, webVIP, "S"))
		return b
	},
	DropNeighboursFull:     fullNeighbourTable,
	DropNeighbourQueueFull: func(t *testing.T) *bed { return waiting(t, ports.MaxBurst+1) },
	DropNeighbourFailed: func(t *testing.T) *bed {
		b := waiting(t, 2)
		b.wait(3100)
		return b
	},
	DropTxFull:      stalledOutput,
	DropHandoffFull: fullHandoff,
	DropStopped: func(t *testing.T) *bed {
		b := waiting(t, 2)
		b.worker.stop()
		return b
	},
}

func TestEveryDropReason(t *testing.T) {
	for v := range NumVerdicts {
		if !v.IsDrop() {
			continue
		}
		t.Run(v.String(), func(t *testing.T) {
			test := dropTests[v]
			if test == nil {
				t.Fatal("no test reaches this drop reason")
			}
			b := test(t)
			if got := b.drops(); !strings.HasPrefix(got, v.String()+"=") ||
				strings.Contains(got, " ") {
				t.Fatalf("dropped %q, want %v alone", got, v)
			}
			b.balanced()
		})
	}
}

func TestTagsAreDropped(t *testing.T) {
	for _, tag := range []string{"\x81\x00", "\x88\xa8"} {
		b := damaged(t, func(f []byte) []byte { copy(f[12:], tag); return f })
		b.dropped("vlan=1")
	}
}

// More packets may be dropped in a turn than a burst holds: here a full burst, and then all that
// waited for a neighbour.
func TestManyDropsInATurn(t *testing.T) {
	b := waiting(t, ports.MaxBurst)
	b.wait(2950)
	for i := range ports.MaxBurst {
		b.deliver(0, tcp(clientAt(i), webVIP, "A").frame(oneArm.gateway.mac, oneArm.ports[0].mac))
	}
	b.now += 150
	b.worker.Turn(b.now)
	b.balanced()
	b.dropped("no_session=64 neighbour_failed=64")
}

// dropping sends packets to a director with an ipip service.
func dropping(t *testing.T, packets ...pkt) *bed {
	b := newBed(t, oneArm, oneArm.serving(oneArm.web(modes.IPIP, 1)))
	b.fromClient(packets...)
	return b
}

// fromHost has the host send a segment after changing it.
func fromHost(t *testing.T, change func([]byte) []byte) *bed {
	b := newHostBed(t, oneArm, 1, false)
	b.fromHost(0, 0, change(oneArm.hostFrame(tcp(sshAt, client, "SA"))))
	return b
}

// damaged sends a SYN after damaging it.
func damaged(t *testing.T, damage func([]byte) []byte) *bed {
	b := dropping(t)
	b.receive(0, damage(tcp(client, webVIP, "S").frame(oneArm.gateway.mac, oneArm.ports[0].mac)))
	return b
}

// flagged sends a SYN with a changed packet description, as a driver might give it.
func flagged(t *testing.T, change func(*ports.Packet)) *bed {
	b := dropping(t)
	f := tcp(client, webVIP, "S").frame(oneArm.gateway.mac, oneArm.ports[0].mac)
	var fresh ports.Burst
	if !b.ports[0].Queue(0).Alloc(&fresh, len(f)) {
		t.Fatal("no buffer")
	}
	p := &fresh.Packets[0]
	copy(p.Bytes(), f)
	change(p)
	b.ports[0].DeliverPacket(0, *p)
	b.turn()
	return b
}

// waiting makes n packets wait for a real server that does not answer.
func waiting(t *testing.T, n int) *bed {
	b := newBed(t, oneArm, oneArm.resolving(oneArm.web(modes.DR, 1)))
	for range n {
		b.fromClient(tcp(client, webVIP, "S"))
	}
	return b
}

// long is a datagram that must be sent in fragments.
var long = udp(client, echoVIP, strings.Repeat("0123456789", 300))

// damagedSix is damaged for IPv6.
func damagedSix(t *testing.T, damage func([]byte) []byte) *bed {
	s := oneArm.twin()
	b := newBed(t, s, s.serving(s.web(modes.DR, 1)))
	b.receive(0, damage(s.in(tcp(client, webVIP, "S")).frame(s.gateway.mac, s.ports[0].mac)))
	return b
}

// fullNeighbourTable answers a client for which the neighbour table has no place, because real
// servers need all of them.
func fullNeighbourTable(t *testing.T) *bed {
	b := newBed(t, oneArm, oneArm.serving(oneArm.web(modes.NAT, 1)))
	p := b.begin(modes.NAT, tcp("10.0.0.90:4000", webVIP, "S"))
	for i := uint32(0); ; i++ {
		h, ok := b.worker.neighbours.FindKept(packet.AddrOf4(0x0b000000+i), 0, b.now)
		if !ok {
			break
		}
		b.worker.neighbours.Want(h, packet.Addr{}, b.now)
	}
	if n := b.worker.neighbours.Len(); n != neighbour.MaxEntries {
		t.Fatalf("the neighbour table holds %d, want %d", n, neighbour.MaxEntries)
	}
	b.fromServer(0, pkt{src: p.source, dst: p.server, protocol: packet.ProtocolTCP}.reply("SA", ""))
	return b
}

// stalled is a port whose device takes no packets while it is stuck.
type stalled struct {
	ports.Port
	stuck *bool
}

type stalledQueue struct {
	ports.Queue
	stuck *bool
}

func (s stalled) Queue(i int) ports.Queue { return stalledQueue{s.Port.Queue(i), s.stuck} }

func (q stalledQueue) Exchange(tx, free, rx *ports.Burst) {
	if *q.stuck {
		tx = nil
	}
	q.Queue.Exchange(tx, free, rx)
}

func newStalledBed(t *testing.T, stuck *bool) *bed {
	return newBed(t, oneArm, oneArm.serving(oneArm.web(modes.DR, 1)), func(c *bedConfig) {
		c.wrap = func(p ports.Port) ports.Port { return stalled{p, stuck} }
	})
}

func stalledOutput(t *testing.T) *bed {
	var stuck bool
	b := newStalledBed(t, &stuck)
	stuck = true
	for i := range ports.MaxBurst + 3 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	stuck = false
	b.turn()
	return b
}

// exhaustedLocalPorts takes every port of the only local address.
func exhaustedLocalPorts(t *testing.T) *bed {
	s := twoArm
	v := s.echo(modes.FullNAT, 1)
	v.LocalAddresses = []netip.Addr{s.local[0]}
	b := newBed(t, s, s.serving(v), func(c *bedConfig) { c.sessions = localPorts + 100 })
	b.flood(localPorts)
	b.sessions(localPorts)
	b.dropped("")
	b.confirmAll()
	b.fromClient(udp(clientAt(localPorts), echoVIP, "?"))
	return b
}

// confirmAll has every session look as if its client had sent a second packet.
func (b *bed) confirmAll() {
	for slot := range uint32(b.worker.sessions.Cap()) {
		b.worker.sessions.At(slot).PacketsIn++
	}
}

// flood sends the first n clients' datagrams, a burst at a time, and discards what arrives.
func (b *bed) flood(n int) {
	b.Helper()
	s := &b.site
	f := udp(clientAt(0), echoVIP, "?").with(func(p *pkt) { p.noChecksum = true })
	for i := range n {
		f.src = at4(clientAt(i))
		b.deliver(s.front, f.frame(s.gateway.mac, s.own(s.front).mac))
		if i%ports.MaxBurst == ports.MaxBurst-1 || i == n-1 {
			b.turn()
			b.collectAll()
		}
	}
}
