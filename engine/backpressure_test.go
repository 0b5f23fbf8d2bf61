package engine

import (
	"testing"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// A device that takes a few packets at a time delays them, but loses, reorders and leaks none.
func TestSlowDevice(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.web(m, 1)), func(c *bedConfig) { c.txLimit = 3 })
		for b.totals().Held > 0 {
			b.turn()
		}
		b.collectAll()
		const n = 300
		for i := range n {
			b.deliver(s.front, s.in(tcp(clientAt(i), webVIP, "S").
				with(func(p *pkt) { p.seq = uint32(i) })).frame(s.gateway.mac, s.own(s.front).mac))
		}
		var got [][]byte
		for range n {
			b.worker.Turn(b.now)
			b.balanced()
			got = append(got, b.ports[s.back].Collect(0)...)
		}
		if len(got) != n {
			t.Fatalf("%d of %d came out; dropped %q, held %d", len(got), n, b.drops(),
				b.totals().Held)
		}
		for i, f := range got {
			judge(t, f)
			if seq := segmentOf(f, s, m).Seq(); seq != uint32(i) {
				t.Fatalf("segment %d came %d.", seq, i)
			}
		}
	})
}

func segmentOf(f []byte, s site, m modes.Mode) packet.TCP {
	header := packet.IPv4MinLen
	if s.is6 {
		header = packet.IPv6Len
	}
	overhead := modes.Overhead(m, conntrack.Inbound, s.is6, s.is6)
	return packet.TCP(f[packet.EthernetLen+header+overhead:])
}

// While a device takes nothing, packets are dropped by name. The packets that wait leave when it
// recovers.
func TestStuckDevice(t *testing.T) {
	var stuck bool
	b := newStalledBed(t, &stuck)
	stuck = true
	for i := range ports.MaxBurst + 3 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	b.dropped("tx_full=3")
	b.fromClient(echoRequest("192.168.5.9", vipAlone))
	b.dropped("tx_full=4")
	if held := b.totals().Held; held != ports.MaxBurst {
		t.Fatalf("%d held, want %d", held, ports.MaxBurst)
	}
	stuck = false
	b.turn()
	for i, f := range b.ports[0].Collect(0) {
		want := tcp(clientAt(i), webVIP, "S").hop().frame(oneArm.ports[0].mac, oneArm.servers[0].mac)
		if string(f) != string(want) {
			t.Fatalf("packet %d is\n%s", i, dump(f))
		}
	}
	if held := b.totals().Held; held != 0 {
		t.Fatalf("%d held after recovery", held)
	}
}

func TestStuckDeviceAtTheEnd(t *testing.T) {
	var stuck bool
	b := newStalledBed(t, &stuck)
	stuck = true
	for i := range 10 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	b.worker.stop()
	b.dropped("stopped=10")
	if held := b.totals().Held; held != 0 {
		t.Fatalf("%d held after the end", held)
	}
}

// Without buffers the director cannot ask for neighbours. It goes on, and asks once it has buffers.
func TestNoBuffersToAskWith(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.resolving(s.web(modes.DR, 1)), func(c *bedConfig) { c.buffers = 8 })
	var taken ports.Burst
	q := b.ports[0].Queue(0)
	for q.Alloc(&taken, 60) {
	}
	before := b.totals().Originated
	b.wait(2100)
	b.quiet()
	if n := b.totals().Originated; n != before {
		t.Fatalf("%d originated without a buffer", n-before)
	}
	q.Exchange(nil, &taken, nil)
	b.wait(2000)
	b.receive(0, isAt(s.servers[0], s.ports[0]))
	b.collectAll()
	b.fromClient(tcp(client, webVIP, "S"))
	b.toServer(0, tcp(client, webVIP, "S").hop())
}
