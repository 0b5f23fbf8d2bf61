package engine

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"

	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// fromKernel has ports receive as a packet socket does.
func fromKernel(c *bedConfig) { c.flags = ports.RxUnfinished }

// unchecked leaves a frame's checksum to the network card, as a kernel does: the field has the sum
// of the pseudo header, and in SCTP nothing.
func unchecked(frame []byte) {
	var p packet.Parsed
	if packet.Parse(frame, &p); !p.Kind.HasSession() {
		return
	}
	b := frame[p.Transport:p.End]
	k := p.Key(frame)
	pseudo := packet.PseudoHeader4(p.Src, p.Dst, p.Protocol, len(b))
	if p.Kind.Is6() {
		pseudo = packet.PseudoHeader6(k.Src, k.Dst, p.Protocol, len(b))
	}
	switch p.Protocol {
	case packet.ProtocolTCP:
		binary.BigEndian.PutUint16(b[16:], packet.Fold(pseudo))
	case packet.ProtocolUDP:
		binary.BigEndian.PutUint16(b[6:], packet.Fold(pseudo))
	case packet.ProtocolSCTP:
		clear(b[8:12])
	}
}

// TestPartialChecksums: packets without checksum leave with the right one, in every mode, in both
// directions. The expected frames are those of whole packets.
func TestPartialChecksums(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.web(m, 1), s.echo(m, 1)), fromKernel)
		b.damage = unchecked
		p := b.begin(m, tcp(client, webVIP, "S"))
		p.answers("SA", "")
		p.sends(tcp(client, webVIP, "A").carrying("odd"))
		p.answers("A", "even")
		p = b.begin(m, udp(client, echoVIP, "?"))
		p.answers("", "!")
		sent, back := uint64(3), uint64(0)
		if m.TwoWay() {
			back = 3
		}
		totals := map[int]uint64{}
		totals[s.front] += sent
		totals[s.back] += back
		for port, want := range totals {
			if c := b.worker.counters.ports[port]; c.PartialChecksums != want || c.Oversized != 0 {
				t.Errorf("port %d counts %+v, want %d", port, c, want)
			}
		}
		b.dropped("")
	})
}

// TestPartialChecksumsOfSCTP: as TestPartialChecksums, for one packet.
func TestPartialChecksumsOfSCTP(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		v := s.service(modes.DR, packet.ProtocolSCTP, 1)
		b := newBed(t, s, s.serving(v), fromKernel)
		b.damage = unchecked
		from := at4(client)
		if s.is6 {
			from = sixPort(from)
		}
		in := sctpPacket{from, v.Address, 64, layers.SCTPChunkTypeInit}
		b.receive(s.front, in.frame(s.gateway.mac, s.own(s.front).mac))
		in.ttl--
		want := in.frame(s.own(s.back).mac, s.servers[0].mac)
		if got := collect(b.ports[s.back]); len(got) != 1 || string(got[0]) != string(want) {
			t.Errorf("sent %x, want %x", got, want)
		}
	})
}

// TestPartialChecksumsBetweenWorkers: the worker that receives a packet completes it, and the one
// that takes it over finds it complete.
func TestPartialChecksumsBetweenWorkers(t *testing.T) {
	b := newBed(t, twoArm, twoArm.serving(twoArm.web(modes.NAT, 1)), fromKernel,
		func(c *bedConfig) {
			c.workers = 2
			c.choose = func(int) func([]byte) int { return func([]byte) int { return 0 } }
		})
	b.damage = unchecked
	for i := range 20 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	for _, f := range collect(b.ports[b.site.back]) {
		judge(t, f)
	}
	if n := b.engine.workers[1].counters.totals.TakenOver; n == 0 {
		t.Error("no packet was handed over")
	}
	if n := b.worker.counters.ports[b.site.front].PartialChecksums; n != 20 {
		t.Errorf("%d packets were completed, want 20", n)
	}
	if n := b.engine.workers[1].counters.ports[b.site.front].PartialChecksums; n != 0 {
		t.Errorf("%d packets were completed by the worker that took them over", n)
	}
}

// TestOtherDriversAreTrusted: a packet of a driver that brings finished packets stays as it is.
func TestOtherDriversAreTrusted(t *testing.T) {
	b := newBed(t, oneArm, oneArm.serving(oneArm.web(modes.DR, 1)))
	in := tcp(client, webVIP, "S")
	f := in.frame(oneArm.gateway.mac, oneArm.ports[0].mac)
	unchecked(f)
	b.receive(0, f)
	want := in.hop().frame(oneArm.ports[0].mac, oneArm.servers[0].mac)
	copy(want[50:52], f[50:52])
	got := b.ports[0].Collect(0)
	if len(got) != 1 || string(got[0]) != string(want) {
		t.Errorf("sent %x, want %x", got, want)
	}
	if n := b.worker.counters.ports[0].PartialChecksums; n != 0 {
		t.Errorf("%d packets were completed", n)
	}
}

// TestOversized: segments longer than the MTU are counted, whole ones and those that were cut off,
// but neither those of other stations nor what no kernel brings.
func TestOversized(t *testing.T) {
	long := udp(client, echoVIP, strings.Repeat("x", 1800)).with(func(p *pkt) { p.df = true })
	whole := long.frame(oneArm.gateway.mac, oneArm.ports[0].mac)
	cut := whole[:len(whole)-100]
	largest := udp(client, echoVIP, strings.Repeat("x", 1472)).
		frame(oneArm.gateway.mac, oneArm.ports[0].mac)
	elsewhere := long.frame(oneArm.gateway.mac, oneArm.servers[0].mac)
	for _, c := range []struct {
		name   string
		frame  []byte
		change func(*bedConfig)
		want   uint64
		drops  string
	}{
		{"whole", whole, fromKernel, 1, "too_big=1"},
		{"cut off", cut, fromKernel, 1, "bad_ip_length=1"},
		{"just the MTU", largest, fromKernel, 0, ""},
		{"another station's", elsewhere, fromKernel, 0, "not_our_mac=1"},
		{"another driver's", whole, func(*bedConfig) {}, 0, "too_big=1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, oneArm, oneArm.serving(oneArm.echo(modes.DR, 1)), c.change)
			b.receive(0, c.frame)
			b.collectAll()
			b.dropped(c.drops)
			if n := b.worker.counters.ports[0].Oversized; n != c.want {
				t.Errorf("%d packets are oversized, want %d", n, c.want)
			}
		})
	}
}

// TestUnfinishedNoise: any short or foreign frame from a kernel gets through the same checks.
func TestUnfinishedNoise(t *testing.T) {
	b := newBed(t, oneArm, oneArm.serving(oneArm.web(modes.DR, 1)), fromKernel)
	f := tcp(client, webVIP, "S").frame(oneArm.gateway.mac, oneArm.ports[0].mac)
	for n := range len(f) {
		b.receive(0, f[:n])
	}
	b.quiet()
	if n := b.worker.counters.ports[0].PartialChecksums; n != 0 {
		t.Errorf("%d packets were completed", n)
	}
}
