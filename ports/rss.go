package ports

import (
	"fmt"
	"slices"

	"fulcrum/packet"
)

// LeastKey is the length of the shortest key of receive-side scaling, in bytes. Most devices have
// keys of this length.
const LeastKey = hashInput + 4

// SymmetricKey returns the key that devices are given, n bytes long. Its 16-bit words repeat, so a
// word of the input contributes the same at every even offset. Both directions of a flow therefore
// have one hash.
//
// The hash of a packet's source also equals the hash of its answer's destination. That holds for
// every layout of an input with one end only: some devices leave the other end out, some set it to
// zero. (S. Woo, K. Park: Scalable TCP Session Monitoring with Symmetric Receive-side Scaling,
// 2012.)
func SymmetricKey(n int) []byte {
	key := make([]byte, n)
	for i := range key {
		key[i] = [2]byte{0x6d, 0x5a}[i%2]
	}
	return key
}

func isSymmetric(key []byte) bool {
	for i := 2; i < LeastKey; i++ {
		if key[i] != key[i-2] {
			return false
		}
	}
	return true
}

// RSSConfig describes the receive-side scaling of a device.
type RSSConfig struct {
	Key    []byte    // at least LeastKey bytes
	Table  []uint16  // indirection table: queue by hash modulo the table's length
	Spread Spread    // which ends of a flow are hashed
	Types  HashTypes // which fields of these ends are hashed
}

// Validate returns an error for a configuration that no device has or whose hash cannot be
// computed.
func (c RSSConfig) Validate() error {
	switch {
	case len(c.Key) < LeastKey:
		return fmt.Errorf("key of %d bytes: must have at least %d", len(c.Key), LeastKey)
	case len(c.Table) == 0:
		return fmt.Errorf("empty indirection table: must have at least one entry")
	case c.Spread > SpreadDestination:
		return fmt.Errorf("spread %d: must be flow, source or destination", c.Spread)
	case c.Spread != SpreadFlow && !isSymmetric(c.Key):
		return fmt.Errorf("spread by %v needs a key of equal 16-bit words: "+
			"with any other, the hash depends on the device", c.Spread)
	}
	return nil
}

// RSS is receive-side scaling: the rule by which a device chooses the queue of a received packet.
// It is immutable and may be used from any goroutine.
type RSS struct {
	*Toeplitz
	config RSSConfig
	table  []uint16
}

// NewRSS builds the lookup tables of an RSS.
func NewRSS(c RSSConfig) (*RSS, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.Key, c.Table = slices.Clone(c.Key), slices.Clone(c.Table)
	return &RSS{Toeplitz: newToeplitz(c.Key), config: c, table: c.Table}, nil
}

// Config returns a copy of the configuration.
func (r *RSS) Config() RSSConfig {
	c := r.config
	c.Key, c.Table = slices.Clone(c.Key), slices.Clone(c.Table)
	return c
}

// Spread returns which ends of a flow are hashed.
func (r *RSS) Spread() Spread { return r.config.Spread }

// Agrees reports whether both devices compute the same hash and queue from the same input.
func (r *RSS) Agrees(other *RSS) bool {
	return slices.Equal(r.config.Key[:LeastKey], other.config.Key[:LeastKey]) &&
		slices.Equal(r.table, other.table)
}

// Queue returns the queue of packets with a hash.
func (r *RSS) Queue(hash uint32) int {
	return int(r.table[hash%uint32(len(r.table))])
}

// Flow4 returns the hash that the device computes for a packet of the flow. For a fragment, set
// ports and protocol to 0.
//
// If HasDstPort4 is true, the hash is linear in the destination port, like Hash4: it equals Flow4
// with port 0, XOR DstPort4.
func (r *RSS) Flow4(k *packet.Key4) uint32 {
	srcPort, dstPort := k.SrcPort, k.DstPort
	switch r.hashed4(k.Protocol) {
	case HashedNothing:
		return 0
	case HashedAddresses:
		srcPort, dstPort = 0, 0
	}
	switch r.config.Spread {
	case SpreadSource:
		return r.Source4(k.Src, srcPort)
	case SpreadDestination:
		return r.Destination4(k.Dst, dstPort)
	}
	return r.Hash4(k.Src, k.Dst, srcPort, dstPort)
}

// HasDstPort4 reports whether Flow4 depends on the destination port.
func (r *RSS) HasDstPort4(protocol uint8) bool {
	return r.hashed4(protocol) == HashedPorts && r.config.Spread != SpreadSource
}

func (r *RSS) hashed4(protocol uint8) Hashed {
	switch protocol {
	case packet.ProtocolTCP:
		return r.config.Types.TCP4
	case packet.ProtocolUDP:
		return r.config.Types.UDP4
	}
	return r.config.Types.Other4
}

// Flow6 is Flow4 for IPv6. Addresses are in network byte order.
func (r *RSS) Flow6(protocol uint8, src, dst *[16]byte, srcPort, dstPort uint16) uint32 {
	switch r.hashed6(protocol) {
	case HashedNothing:
		return 0
	case HashedAddresses:
		srcPort, dstPort = 0, 0
	}
	switch r.config.Spread {
	case SpreadSource:
		return r.Source6(src, srcPort)
	case SpreadDestination:
		return r.Destination6(dst, dstPort)
	}
	return r.Hash6(src, dst, srcPort, dstPort)
}

// HasDstPort6 is HasDstPort4 for IPv6.
func (r *RSS) HasDstPort6(protocol uint8) bool {
	return r.hashed6(protocol) == HashedPorts && r.config.Spread != SpreadSource
}

func (r *RSS) hashed6(protocol uint8) Hashed {
	switch protocol {
	case packet.ProtocolTCP:
		return r.config.Types.TCP6
	case packet.ProtocolUDP:
		return r.config.Types.UDP6
	}
	return r.config.Types.Other6
}

// Flow is Flow4 or Flow6, depending on the family of the source.
func (r *RSS) Flow(k *packet.Key) uint32 {
	if k.Src.Is4() {
		narrow := k.Narrow()
		return r.Flow4(&narrow)
	}
	var src, dst [16]byte
	k.Src.Put(src[:])
	k.Dst.Put(dst[:])
	return r.Flow6(k.Protocol, &src, &dst, k.SrcPort, k.DstPort)
}

// HasDstPort is HasDstPort4 or HasDstPort6, depending on the family of the source.
func (r *RSS) HasDstPort(k *packet.Key) bool {
	if k.Src.Is4() {
		return r.HasDstPort4(k.Protocol)
	}
	return r.HasDstPort6(k.Protocol)
}
