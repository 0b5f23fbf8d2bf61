package ports

// Why this is sound: Buffer is the address of memory that was not allocated by the Go runtime
// (DPDK's mempools, or an anonymous mapping), so the garbage collector neither moves nor frees
// it. A Packet describes it only while its holder owns it, and Offset+Length <= Room is kept by
// Prepend, Resize and the drivers. The conversion goes through the address of the field because
// the uintptr was never derived from a Go pointer.

import "unsafe"

// Bytes returns the packet's bytes. They are valid until the packet is transmitted or freed.
func (p *Packet) Bytes() []byte {
	base := *(*unsafe.Pointer)(unsafe.Pointer(&p.Buffer))
	return unsafe.Slice((*byte)(unsafe.Add(base, p.Offset)), p.Length)
}
