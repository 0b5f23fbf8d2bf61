package ports

// MaxBurst is the largest number of packets that travel together.
const MaxBurst = 64

// Headroom is the number of bytes that every received packet has in front of its first byte:
// enough for an outer IPv6 header, an ICMP error around the packet, and VLAN tags.
const Headroom = 128

// RxFlags say what the driver found out about a received packet.
type RxFlags uint16

const (
	RxVLAN         RxFlags = 1 << iota // a VLAN tag was removed from the packet; VLAN holds its TCI. See Split for VLAN 0
	RxHash                             // Hash holds the receive-side-scaling hash
	RxBadIP                            // the device found the IP header checksum wrong
	RxBadL4                            // the device found the TCP or UDP checksum wrong
	RxMultiSegment                     // the packet did not fit one segment and could not be made to; only its first segment is visible
)

// Packet describes one packet and the buffer that it lies in. The buffer is outside the Go heap
// and belongs to whoever holds the Packet, until it is transmitted or freed.
//
// Its memory layout is shared with the C shim of ports/dpdk (struct fulcrum_packet), which
// asserts it.
type Packet struct {
	Handle  uintptr // the driver's name for the buffer; opaque
	Buffer  uintptr // address of the buffer's first byte
	Offset  uint16  // bytes from the buffer's start to the packet's first byte: the headroom
	Length  uint16  // bytes in the packet, from the Ethernet header on, without FCS
	Room    uint16  // bytes in the buffer
	VLAN    uint16  // tag control information, valid with RxVLAN
	Hash    uint32  // valid with RxHash
	RxFlags RxFlags
	TxFlags uint16 // none is defined yet; the shim takes 0
	Port    uint16 // index of the port that received it
	Queue   uint16 // index of that port's queue
	Spare   uint32 // keeps the size at 40 bytes
}

// Prepend makes the packet n bytes longer at its front and reports whether there was headroom.
// The new bytes are undefined.
func (p *Packet) Prepend(n int) bool {
	if n > int(p.Offset) {
		return false
	}
	p.Offset -= uint16(n)
	p.Length += uint16(n)
	return true
}

// TrimFront removes n bytes from the packet's front; n must not exceed its length.
func (p *Packet) TrimFront(n int) {
	p.Offset += uint16(n)
	p.Length -= uint16(n)
}

// Resize sets the packet's length to n bytes by moving its end, and reports whether the buffer
// has room for it. Bytes that are new at the end are undefined.
func (p *Packet) Resize(n int) bool {
	if n < 0 || int(p.Offset)+n > int(p.Room) {
		return false
	}
	p.Length = uint16(n)
	return true
}

// Burst is a vector of packets. Packets[:N] are valid.
type Burst struct {
	N       int
	Packets [MaxBurst]Packet
}

// Slice returns the valid packets.
func (b *Burst) Slice() []Packet { return b.Packets[:b.N] }

// Full reports whether no packet can be added.
func (b *Burst) Full() bool { return b.N == MaxBurst }

// Push adds a packet. The burst must not be full.
func (b *Burst) Push(p *Packet) {
	b.Packets[b.N] = *p
	b.N++
}

// Consume removes the first n packets and moves the others to the front.
func (b *Burst) Consume(n int) {
	b.N = copy(b.Packets[:], b.Packets[n:b.N])
}
