package dpdk

// Why this is sound: nothing is converted here. The compiler compares the Go layout with the
// declarations of shim.h.

// #include "shim.h"
import "C"

import (
	"unsafe"

	"fulcrum/ports"
)

// Values of both layouts, for the constants below alone.
var (
	goPacket ports.Packet
	cPacket  C.struct_fulcrum_packet
	goBurst  ports.Burst
	cBurst   C.struct_fulcrum_burst
)

// The layouts agree: if two values differ, their negated XOR does not fit the unsigned type, and
// the file does not compile.
const (
	_ uintptr = -(unsafe.Sizeof(goBurst) ^ unsafe.Sizeof(cBurst))
	_ uintptr = -(unsafe.Offsetof(goBurst.N) ^ unsafe.Offsetof(cBurst.n))
	_ uintptr = -(unsafe.Offsetof(goBurst.Packets) ^ unsafe.Offsetof(cBurst.packets))
	_ uintptr = -(unsafe.Sizeof(goPacket) ^ unsafe.Sizeof(cPacket))
	_ uintptr = -(unsafe.Offsetof(goPacket.Handle) ^ unsafe.Offsetof(cPacket.handle))
	_ uintptr = -(unsafe.Offsetof(goPacket.Buffer) ^ unsafe.Offsetof(cPacket.buffer))
	_ uintptr = -(unsafe.Offsetof(goPacket.Offset) ^ unsafe.Offsetof(cPacket.offset))
	_ uintptr = -(unsafe.Offsetof(goPacket.Length) ^ unsafe.Offsetof(cPacket.length))
	_ uintptr = -(unsafe.Offsetof(goPacket.BufferLen) ^ unsafe.Offsetof(cPacket.buffer_len))
	_ uintptr = -(unsafe.Offsetof(goPacket.VLAN) ^ unsafe.Offsetof(cPacket.vlan))
	_ uintptr = -(unsafe.Offsetof(goPacket.Hash) ^ unsafe.Offsetof(cPacket.hash))
	_ uintptr = -(unsafe.Offsetof(goPacket.RxFlags) ^ unsafe.Offsetof(cPacket.rx_flags))
	_ uintptr = -(unsafe.Offsetof(goPacket.TxFlags) ^ unsafe.Offsetof(cPacket.tx_flags))
	_ uintptr = -(unsafe.Offsetof(goPacket.Port) ^ unsafe.Offsetof(cPacket.port))
	_ uintptr = -(unsafe.Offsetof(goPacket.Queue) ^ unsafe.Offsetof(cPacket.queue))
	_ uintptr = -(unsafe.Offsetof(goPacket.Handovers) ^ unsafe.Offsetof(cPacket.handovers))

	_ ports.RxFlags = -(ports.RxVLAN ^ C.FULCRUM_RX_VLAN)
	_ ports.RxFlags = -(ports.RxHash ^ C.FULCRUM_RX_HASH)
	_ ports.RxFlags = -(ports.RxBadIP ^ C.FULCRUM_RX_BAD_IP)
	_ ports.RxFlags = -(ports.RxBadL4 ^ C.FULCRUM_RX_BAD_L4)
	_ ports.RxFlags = -(ports.RxMultiSegment ^ C.FULCRUM_RX_MULTI_SEGMENT)
	_ ports.RxFlags = -(ports.RxUnfinished ^ C.FULCRUM_RX_UNFINISHED)
)
