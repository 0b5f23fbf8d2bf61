package ports

import (
	"fmt"
	"slices"

	"fulcrum/packet"
)

// LeastKey is the length in bytes of the shortest key of receive-side scaling, which most devices have.
const LeastKey = hashInput + 4

// SymmetricKey is the key that devices are given, of n bytes. Its 16-bit words repeat, so that a word of the input adds
// the same wherever it lies. Both directions of a flow so have one hash, and the hash of a packet's source is that of its
// answer's destination, however a device lays out the input of which it takes one end only: some leave the
// other end out, some set it to zero. (S. Woo, K. Park: Scalable TCP Session Monitoring with Symmetric Receive-side
// Scaling, 2012.)
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

// RSSConfig describes an RSS.
type RSSConfig struct {
	Key    []byte   // LeastKey bytes or more
	Table  []uint16 // the indirection table: queue by hash modulo the table's length
	Spread Spread
	Types  HashTypes
}

// Validate reports what no device does, or what cannot be computed.
func (c RSSConfig) Validate() error {
	switch {
	case len(c.Key) < LeastKey:
		return fmt.Errorf("a key of %d bytes: must have %d at least", len(c.Key), LeastKey)
	case len(c.Table) == 0:
		return fmt.Errorf("an indirection table without entries: must have one at least")
	case c.Spread > SpreadDestination:
		return fmt.Errorf("spread %d: must be flow, source or destination", c.Spread)
	case c.Spread != SpreadFlow && !isSymmetric(c.Key):
		return fmt.Errorf("spread by %v with a key whose 16-bit words differ: the hash depends on the device", c.Spread)
	}
	return nil
}

// RSS is receive-side scaling: how a device chooses the queue of a packet that it receives. It does not change, and
// may be used by anyone.
type RSS struct {
	*Toeplitz
	config RSSConfig
	table  []uint16
}

// NewRSS computes what the methods look up.
func NewRSS(c RSSConfig) (*RSS, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.Key, c.Table = slices.Clone(c.Key), slices.Clone(c.Table)
	return &RSS{Toeplitz: newToeplitz(c.Key), config: c, table: c.Table}, nil
}

// Config returns what it was made of.
func (r *RSS) Config() RSSConfig {
	c := r.config
	c.Key, c.Table = slices.Clone(c.Key), slices.Clone(c.Table)
	return c
}

// Spread returns which end of a flow decides.
func (r *RSS) Spread() Spread { return r.config.Spread }

// Agrees reports whether the same input gives the same hash and queue on both devices.
func (r *RSS) Agrees(other *RSS) bool {
	return slices.Equal(r.config.Key[:LeastKey], other.config.Key[:LeastKey]) && slices.Equal(r.table, other.table)
}

// Queue returns the queue that packets of a hash reach.
func (r *RSS) Queue(hash uint32) int {
	return int(r.table[hash%uint32(len(r.table))])
}

// Flow4 is the hash that the device gives a packet. A fragment has no ports, and the protocol 0 here.
//
// Where HasDstPort4, it is linear in the destination port, as Hash4 is: Flow4 with port 0, XOR DstPort4.
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

// HasDstPort4 reports whether the destination port is in Flow4.
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

// Flow6 is Flow4 for IPv6.
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

// Flow is Flow4 or Flow6, by the source's family.
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

// HasDstPort is HasDstPort4 or HasDstPort6, by the source's family.
func (r *RSS) HasDstPort(k *packet.Key) bool {
	if k.Src.Is4() {
		return r.HasDstPort4(k.Protocol)
	}
	return r.HasDstPort6(k.Protocol)
}
