package ports

// MaxBurst is the maximum number of packets in a Burst.
const MaxBurst = 64

// Headroom is the number of bytes in front of every received packet. It is enough for an outer
// IPv6 header, an ICMP error around the packet, and VLAN tags.
const Headroom = 128

// RxFlags say what the driver reported about a received packet.
type RxFlags uint16

// Flags of a received packet.
const (
	// RxVLAN means that a VLAN tag was removed from the packet. VLAN holds its tag control
	// information. Split also sets it with VLAN 0.
	RxVLAN  RxFlags = 1 << iota
	RxHash          // Hash holds the receive-side-scaling hash
	RxBadIP         // the device found a wrong IP header checksum
	RxBadL4         // the device found a wrong TCP or UDP checksum
	// RxMultiSegment means that the packet has several segments that could not be joined into
	// one. Only the first is visible.
	RxMultiSegment
	// RxUnfinished means that the packet is as a kernel has it, whose senders leave work to network
	// cards: the checksum may be missing (packet.CompleteChecksum), and a segment may be longer than
	// the MTU, and cut off.
	RxUnfinished
)

// Packet describes one packet and its buffer. The buffer is outside the Go heap. It belongs to the
// holder of the Packet until that sends or frees it.
//
// The C shim of ports/dpdk shares the memory layout (struct fulcrum_packet) and asserts it.
type Packet struct {
	Handle    uintptr // the driver's name for the buffer; opaque
	Buffer    uintptr // address of the buffer's first byte
	Offset    uint16  // headroom: bytes from the buffer's start to the packet's first byte
	Length    uint16  // bytes in the packet, from the Ethernet header on, without FCS
	BufferLen uint16  // bytes in the buffer
	VLAN      uint16  // tag control information; valid with RxVLAN
	Hash      uint32  // receive-side-scaling hash; valid with RxHash
	RxFlags   RxFlags // what the driver reported
	TxFlags   uint16  // must be 0: no flag is defined
	Port      uint16  // index of the port that received or allocated it
	Queue     uint16  // index of that port's queue
	Handovers uint32  // how often a worker has handed it over to another; 0 after Exchange
}

// Prepend extends the packet by n bytes at its front and reports whether there was enough
// headroom. The new bytes are undefined.
func (p *Packet) Prepend(n int) bool {
	if n > int(p.Offset) {
		return false
	}
	p.Offset -= uint16(n)
	p.Length += uint16(n)
	return true
}

// TrimFront removes n bytes from the front of the packet. n must not exceed Length.
func (p *Packet) TrimFront(n int) {
	p.Offset += uint16(n)
	p.Length -= uint16(n)
}

// Resize sets the length of the packet to n bytes by moving its end. It reports whether the buffer
// is large enough. New bytes at the end are undefined.
func (p *Packet) Resize(n int) bool {
	if n < 0 || int(p.Offset)+n > int(p.BufferLen) {
		return false
	}
	p.Length = uint16(n)
	return true
}

// Burst is a vector of packets. Packets[:N] are valid. A burst belongs to one worker.
type Burst struct {
	N       int              // number of packets
	Packets [MaxBurst]Packet // valid up to N
}

// Slice returns the valid packets.
func (b *Burst) Slice() []Packet { return b.Packets[:b.N] }

// Full reports whether no packet can be added.
func (b *Burst) Full() bool { return b.N == MaxBurst }

// Push appends a packet. The burst must not be full.
func (b *Burst) Push(p *Packet) {
	b.Packets[b.N] = *p
	b.N++
}

// Consume removes the first n packets and moves the others to the front.
func (b *Burst) Consume(n int) {
	b.N = copy(b.Packets[:], b.Packets[n:b.N])
}
