package engine

import (
	"encoding/binary"
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// salvo sends bursts of prepared frames straight into a worker's pipeline, without ports, which
// would cost time and memory. Its buffers come back to it after each burst.
type salvo struct {
	bed   *bed
	fresh ports.Burst // as received
	burst ports.Burst // the packets in the pipeline, which writes into their bytes
}

// newSalvo takes buffers for full bursts.
func newSalvo(b *bed) *salvo {
	s := &salvo{bed: b}
	for !s.fresh.Full() {
		if !b.ports[b.site.front].Queue(0).Alloc(&s.fresh, packet.MinFrameLen) {
			b.Fatal("no buffer for a salvo")
		}
	}
	return s
}

// load puts a frame into the i-th place of the next burst.
func (s *salvo) load(i int, frame []byte) {
	p := &s.fresh.Packets[i]
	p.Length = uint16(len(frame))
	p.Port = uint16(s.bed.site.front)
	copy(p.Bytes(), frame)
}

// fire processes the burst, and counts as if a device had received and sent its packets.
func (s *salvo) fire() {
	w := s.bed.worker
	s.burst = s.fresh
	w.counters.totals.Received += uint64(s.burst.N)
	w.process(&s.burst)
	for i := range w.out {
		w.counters.totals.Transmitted += uint64(w.out[i].N)
		w.out[i].N = 0
	}
	w.freed.N = 0
}

// end gives the buffers back.
func (s *salvo) end() {
	s.bed.balanced()
	s.bed.ports[s.bed.site.front].Queue(0).Exchange(nil, &s.fresh, nil)
}

// fromClients is the i-th client's packet in a frame.
func (b *bed) fromClients(p pkt, i int) []byte {
	return p.from(at4(clientAt(i))).frame(b.site.gateway.mac, b.site.own(b.site.front).mac)
}

// setSource gives a UDP or TCP frame without IP options another source port. The checksum becomes
// wrong, which the director does not check.
func setSource(frame []byte, port uint16) {
	binary.BigEndian.PutUint16(frame[packet.EthernetLen+packet.IPv4MinLen:], port)
}

// TestSalvo checks the apparatus: a salvo changes a session as packets on the wire do.
func TestSalvo(t *testing.T) {
	b := newBed(t, twoArm, twoArm.serving(twoArm.echo(modes.DR, 1)))
	s := newSalvo(b)
	defer s.end()
	for range 3 {
		for i := range ports.MaxBurst {
			s.load(i, b.fromClients(udp(client, echoVIP, "?"), i))
		}
		s.fire()
	}
	b.sessions(ports.MaxBurst)
	if got := b.worker.roads[0].traffic; got.Connections != 64 || got.InPackets != 192 {
		t.Fatalf("counted %+v", got)
	}
}
