package bench

import (
	"math/bits"
	"net/netip"

	"fulcrum/packet"
)

// clients is the network of the clients: the one reserved for benchmarks (RFC 2544, appendix
// C.2.2).
var clients = netip.MustParsePrefix("198.18.0.0/15")

const (
	clientHosts     = 1 << 17 // addresses in clients
	firstClientPort = 1024

	// MaxFlows is the largest number of flows. Each has its own client address and port.
	MaxFlows = 1 << 30
)

var firstClient = packet.Addr4(clients.Addr())

// isClient reports whether an address is a client's.
func isClient(address uint32) bool { return address-firstClient < clientHosts }

// client returns the address and port of a flow. Neighbouring flows have neighbouring addresses.
func client(flow uint32) (address uint32, port uint16) {
	return firstClient + flow%clientHosts, uint16(firstClientPort + flow/clientHosts)
}

// shuffle is an order of n flows that looks random and takes each of them once. In the order of
// their creation, the CPU's own prefetcher would fetch sessions from memory ahead of time.
type shuffle struct {
	n, mask uint32
	half    uint8
}

func newShuffle(n uint32) shuffle {
	width := max(bits.Len32(n-1), 2)
	return shuffle{n: n, mask: 1<<width - 1, half: uint8(width+1) / 2}
}

// at returns the i-th flow, i < n. Each step of mix is invertible on the numbers up to mask.
// Repeating mix until the result is below n is invertible too, and it ends, because i itself lies
// on the cycle.
func (s *shuffle) at(i uint32) uint32 {
	for i = s.mix(i); i >= s.n; i = s.mix(i) {
	}
	return i
}

// mix multiplies by odd numbers (of the golden ratio, and of Knuth's MMIX generator) to spread low
// bits upwards, and shifts to spread high bits downwards.
func (s *shuffle) mix(i uint32) uint32 {
	i = i * 0x9e3779b1 & s.mask
	i ^= i >> s.half
	i = i * 0x4c957f2d & s.mask
	return i ^ i>>s.half
}
