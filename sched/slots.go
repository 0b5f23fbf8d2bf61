package sched

import (
	"fulcrum/lvs"
	"fulcrum/packet"
)

// slotBits is the size of the tables of sh and dh as a power of two: the kernel's default.
const slotBits = 8

// slots is the table of sh and dh. It holds indices of real servers, and nothing if there is none.
type slots [1 << slotBits]uint32

// deal deals the slots out in the kernel's order, round and round. In each turn a real server takes
// as many as turn says, at least one.
func (t *slots) deal(servers []Server, turn func(*Server) int32) {
	at, taken := len(servers)-1, int32(0)
	for i := range t {
		t[i] = uint32(at)
		if taken++; taken >= turn(&servers[at]) {
			at, taken = at-1, 0
		}
		if at < 0 {
			at = len(servers) - 1
		}
	}
}

// golden is the kernel's GOLDEN_RATIO_32 (include/linux/hash.h).
const golden = 0x61C88647

// goldenHash is the kernel's hash_32: the upper bits of a product.
func goldenHash(v uint32, bits uint) uint32 { return v * golden >> (32 - bits) }

// fold is what IPVS hashes of an address: an IPv4 address as a host-order number, or the XOR of the
// four words of an IPv6 address.
func fold(a packet.Addr) uint32 {
	if a.Is4() {
		return a.V4()
	}
	both := a.Hi ^ a.Lo
	return uint32(both>>32) ^ uint32(both)
}

// portOf returns the client's port for the hashes of sh and mh. Protocols without ports have 0.
func portOf(r Request) uint32 {
	switch r.Protocol {
	case packet.ProtocolTCP, packet.ProtocolUDP, packet.ProtocolSCTP:
		return uint32(r.SrcPort)
	}
	return 0
}

// clientOf returns what sh and mh hash of a first packet.
func clientOf(p *Pool, r Request) uint32 {
	if p.rule.Flags&lvs.SchedPort == 0 {
		return fold(r.Src)
	}
	return fold(r.Src) + portOf(r)
}
