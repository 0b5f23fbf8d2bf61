package dpdk

// Why this is sound: nothing is converted here. The compiler compares the Go layout with what shim.h
// declares.

// #include "shim.h"
import "C"

import (
	"unsafe"

	"fulcrum/ports"
)

// The layouts agree: a difference of two that are not equal does not fit the type.
const (
	_ uintptr       = -(unsafe.Sizeof(ports.Burst{}) ^ unsafe.Sizeof(C.struct_fulcrum_burst{}))
	_ uintptr       = -(unsafe.Offsetof(ports.Burst{}.N) ^ unsafe.Offsetof(C.struct_fulcrum_burst{}.n))
	_ uintptr       = -(unsafe.Offsetof(ports.Burst{}.Packets) ^ unsafe.Offsetof(C.struct_fulcrum_burst{}.packets))
	_ uintptr       = -(unsafe.Sizeof(ports.Packet{}) ^ unsafe.Sizeof(C.struct_fulcrum_packet{}))
	_ uintptr       = -(unsafe.Offsetof(ports.Packet{}.Handle) ^ unsafe.Offsetof(C.struct_fulcrum_packet{}.handle))
	_ uintptr       = -(unsafe.Offsetof(ports.Packet{}.Buffer) ^ unsafe.Offsetof(C.struct_fulcrum_packet{}.buffer))
	_ uintptr       = -(unsafe.Offsetof(ports.Packet{}.Offset) ^ unsafe.Offsetof(C.struct_fulcrum_packet{}.offset))
	_ uintptr       = -(unsafe.Offsetof(ports.Packet{}.Length) ^ unsafe.Offsetof(C.struct_fulcrum_packet{}.length))
	_ uintptr       = -(unsafe.Offsetof(ports.Packet{}.BufferLen) ^ unsafe.Offsetof(C.struct_fulcrum_packet{}.buffer_len))
	_ uintptr       = -(unsafe.Offsetof(ports.Packet{}.VLAN) ^ unsafe.Offsetof(C.struct_fulcrum_packet{}.vlan))
	_ uintptr       = -(unsafe.Offsetof(ports.Packet{}.Hash) ^ unsafe.Offsetof(C.struct_fulcrum_packet{}.hash))
	_ uintptr       = -(unsafe.Offsetof(ports.Packet{}.RxFlags) ^ unsafe.Offsetof(C.struct_fulcrum_packet{}.rx_flags))
	_ uintptr       = -(unsafe.Offsetof(ports.Packet{}.TxFlags) ^ unsafe.Offsetof(C.struct_fulcrum_packet{}.tx_flags))
	_ uintptr       = -(unsafe.Offsetof(ports.Packet{}.Port) ^ unsafe.Offsetof(C.struct_fulcrum_packet{}.port))
	_ uintptr       = -(unsafe.Offsetof(ports.Packet{}.Queue) ^ unsafe.Offsetof(C.struct_fulcrum_packet{}.queue))
	_ ports.RxFlags = -(ports.RxVLAN ^ C.FULCRUM_RX_VLAN)
	_ ports.RxFlags = -(ports.RxHash ^ C.FULCRUM_RX_HASH)
	_ ports.RxFlags = -(ports.RxBadIP ^ C.FULCRUM_RX_BAD_IP)
	_ ports.RxFlags = -(ports.RxBadL4 ^ C.FULCRUM_RX_BAD_L4)
	_ ports.RxFlags = -(ports.RxMultiSegment ^ C.FULCRUM_RX_MULTI_SEGMENT)
)
