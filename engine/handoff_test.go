package engine

import (
	"testing"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// fullHandoff makes one worker hand over more packets than fit while the other does not turn.
func fullHandoff(t *testing.T) *bed {
	s := oneArm
	b := newBed(t, s, s.serving(s.echo(modes.NAT, 1)), crowd(2))
	for i, sent := 0, 0; sent <= handoffSize; i++ {
		p := udp(clientAt(i), echoVIP, "?")
		from := packet.Flow{Src: packet.AddrOf(p.src.Addr()), SrcPort: p.src.Port()}
		key := &packet.Key{Flow: from, Protocol: packet.ProtocolUDP}
		if b.engine.steering.FromClient(0, key, lvs.ClientEnd) == 1 {
			b.deliver(0, p.frame(s.gateway.mac, s.ports[0].mac))
			sent++
		}
	}
	for b.worker.Turn(b.now) > 0 {
		b.balanced()
	}
	if held := b.totals().Held; held != handoffSize {
		t.Errorf("%d packets held", held)
	}
	return b
}

// TestHandoffOrder: one goroutine pulls what another pushes, in order and complete.
func TestHandoffOrder(t *testing.T) {
	const n = 200_000
	h := new(handoff)
	go func() {
		for i := 0; i < n; {
			if h.push(&ports.Packet{Handovers: uint32(i)}) {
				i++
			}
			if i%48 == 0 || i == n {
				h.publish()
			}
		}
	}()
	b := new(ports.Burst)
	for want := uint32(0); want < n; {
		b.N = 0
		h.pull(b)
		for _, p := range b.Slice() {
			if p.Handovers != want {
				t.Fatalf("packet %d, want %d", p.Handovers, want)
			}
			want++
		}
	}
}

func TestHandoffIsBounded(t *testing.T) {
	h, p := new(handoff), ports.Packet{}
	for i := range handoffSize {
		if !h.push(&p) {
			t.Fatalf("full with %d", i)
		}
	}
	b := new(ports.Burst)
	h.pull(b)
	if h.push(&p) || b.N != 0 {
		t.Fatal("more than fits, or seen before it was published")
	}
	h.publish()
	h.pull(b)
	if b.N != ports.MaxBurst || !h.push(&p) {
		t.Fatalf("%d packets", b.N)
	}
}
