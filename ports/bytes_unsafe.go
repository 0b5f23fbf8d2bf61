package ports

// Why this is sound: Buffer is the address of memory that the Go runtime did not allocate (DPDK's
// mempools, or an anonymous mapping), so the garbage collector neither moves nor frees it. A
// Packet describes it only while its holder owns it. Prepend, Resize and the drivers keep
// Offset+Length <= BufferLen. Usual and Usual6 are for packets whose length the parser has looked
// at. The conversion goes through the address of the field because the uintptr was never derived
// from a Go pointer.

import (
	"unsafe"

	"fulcrum/packet"
)

// Usual returns the first bytes of a packet that has as many as a usual one (packet.ParseUsual).
func (p *Packet) Usual() *[packet.UsualLen]byte {
	base := *(*unsafe.Pointer)(unsafe.Pointer(&p.Buffer))
	return (*[packet.UsualLen]byte)(unsafe.Add(base, p.Offset))
}

// Usual6 is Usual for IPv6.
func (p *Packet) Usual6() *[packet.UsualLen6]byte {
	base := *(*unsafe.Pointer)(unsafe.Pointer(&p.Buffer))
	return (*[packet.UsualLen6]byte)(unsafe.Add(base, p.Offset))
}

// Bytes returns the bytes of the packet without copying them. They are valid until the packet is
// sent or freed.
func (p *Packet) Bytes() []byte {
	base := *(*unsafe.Pointer)(unsafe.Pointer(&p.Buffer))
	return unsafe.Slice((*byte)(unsafe.Add(base, p.Offset)), p.Length)
}
