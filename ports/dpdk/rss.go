package dpdk

// Why this is sound: the key is a C copy that outlives the device (close.go). C writes its answers
// into Go memory without Go pointers, during the call.

// #include <rte_ethdev.h>
// #include "shim.h"
import "C"

import (
	"bytes"
	"errors"
	"fmt"

	"fulcrum/ports"
)

// The wanted hash types, and the types that tell which packets are hashed by which fields.
const (
	wantedHash = C.RTE_ETH_RSS_IP | C.RTE_ETH_RSS_TCP | C.RTE_ETH_RSS_UDP

	sourceOnly      = C.RTE_ETH_RSS_L3_SRC_ONLY | C.RTE_ETH_RSS_L4_SRC_ONLY
	destinationOnly = C.RTE_ETH_RSS_L3_DST_ONLY | C.RTE_ETH_RSS_L4_DST_ONLY

	hashIPv4  = C.RTE_ETH_RSS_IPV4
	hashTCP4  = C.RTE_ETH_RSS_NONFRAG_IPV4_TCP
	hashUDP4  = C.RTE_ETH_RSS_NONFRAG_IPV4_UDP
	hashRest4 = C.RTE_ETH_RSS_NONFRAG_IPV4_OTHER
	hashIPv6  = C.RTE_ETH_RSS_IPV6
	hashTCP6  = C.RTE_ETH_RSS_NONFRAG_IPV6_TCP
	hashUDP6  = C.RTE_ETH_RSS_NONFRAG_IPV6_UDP
	hashRest6 = C.RTE_ETH_RSS_NONFRAG_IPV6_OTHER
)

// oneEnd are the types that hash one end of a flow only.
var oneEnd = [...]C.uint64_t{
	ports.SpreadFlow: 0, ports.SpreadSource: sourceOnly, ports.SpreadDestination: destinationOnly,
}

// rssToTry returns the configurations to try, the best first and no RSS last.
func (p *port) rssToTry() []C.struct_rte_eth_rss_conf {
	types := p.info.flow_type_rss_offloads & wantedHash
	if p.config.Queues == 1 || types == 0 {
		return make([]C.struct_rte_eth_rss_conf, 1)
	}
	n := p.keyLength()
	p.rssKey = C.CBytes(ports.SymmetricKey(n))
	withKey := C.struct_rte_eth_rss_conf{
		rss_key: (*C.uint8_t)(p.rssKey), rss_key_len: C.uint8_t(n), rss_hf: types,
	}
	wanted := withKey
	if end := oneEnd[p.config.Spread]; p.info.flow_type_rss_offloads&end == end {
		wanted.rss_hf |= end
	}
	return []C.struct_rte_eth_rss_conf{wanted, withKey, {rss_hf: types}, {}}
}

// keyLength returns the length of the device's key in bytes. Drivers that report none use 40.
func (p *port) keyLength() int {
	if n := int(p.info.hash_key_size); n != 0 {
		return n
	}
	return ports.LeastKey
}

// learnSpread reads how the started device spreads packets over its queues.
func (p *port) learnSpread() {
	if p.config.Queues == 1 {
		return
	}
	rss, err := p.readRSS()
	if err != nil {
		p.note("%s spreads packets over its queues by an unknown rule (%v), "+
			"so workers hand some packets over to each other", p.device.name, err)
		return
	}
	p.rss = rss
	if rss.Spread() != p.config.Spread {
		p.note("%s cannot spread packets by %v only: it spreads them by flow, "+
			"so workers hand packets of mode nat over to each other", p.device.name, p.config.Spread)
	}
}

// readRSS gives the device an even table and returns the RSS that is then in effect.
func (p *port) readRSS() (*ports.RSS, error) {
	if p.hash.rss_hf == 0 {
		return nil, errors.New("the driver offers no RSS for IP")
	}
	c, err := p.readHash()
	if err == nil && !bytes.Equal(c.Key, ports.SymmetricKey(len(c.Key))) {
		c, err = p.updateHash()
	}
	if err != nil {
		return nil, err
	}
	if c.Table, err = p.readTable(); err != nil {
		return nil, err
	}
	return ports.NewRSS(c)
}

// updateHash sets the key again, for a driver that ignored it during configuration, and reads the
// result.
func (p *port) updateHash() (ports.RSSConfig, error) {
	conf := p.hash
	conf.rss_key, conf.rss_key_len = (*C.uint8_t)(p.rssKey), C.uint8_t(p.keyLength())
	C.rte_eth_dev_rss_hash_update(p.id, &conf)
	return p.readHash()
}

// readHash reads the key and the hash types.
func (p *port) readHash() (ports.RSSConfig, error) {
	key := make([]byte, 255) // the longest key that DPDK can report
	length, types := C.uint8_t(p.keyLength()), C.uint64_t(0)
	rc := C.fulcrum_eth_rss_hash_conf_get(p.id, (*C.uint8_t)(&key[0]), &length, &types)
	key = key[:length]
	switch {
	case rc != 0:
		return ports.RSSConfig{}, fmt.Errorf("the driver does not report its hash: %w", errno(int(rc)))
	case bytes.Count(key, []byte{0}) == len(key):
		return ports.RSSConfig{}, errors.New("the driver does not report its hash key")
	case types&wantedHash == 0:
		return ports.RSSConfig{}, errors.New("the driver has turned RSS off")
	}
	return ports.RSSConfig{
		Key: key, Spread: spreadOf(uint64(types)), Types: hashTypesOf(uint64(types)),
	}, nil
}

func spreadOf(types uint64) ports.Spread {
	switch {
	case types&sourceOnly == sourceOnly:
		return ports.SpreadSource
	case types&destinationOnly == destinationOnly:
		return ports.SpreadDestination
	}
	return ports.SpreadFlow
}

func hashTypesOf(types uint64) ports.HashTypes {
	return ports.HashTypes{
		TCP4:   hashed(types, hashTCP4, hashIPv4),
		UDP4:   hashed(types, hashUDP4, hashIPv4),
		Other4: hashed(types, 0, hashIPv4|hashRest4),
		TCP6:   hashed(types, hashTCP6, hashIPv6),
		UDP6:   hashed(types, hashUDP6, hashIPv6),
		Other6: hashed(types, 0, hashIPv6|hashRest6),
	}
}

// hashed returns what is hashed for packets that match both withPorts, their own type, and the
// general types in addresses. Their own type has precedence.
func hashed(types, withPorts, addresses uint64) ports.Hashed {
	switch {
	case types&withPorts != 0:
		return ports.HashedPorts
	case types&addresses != 0:
		return ports.HashedAddresses
	}
	return ports.HashedNothing
}

// readTable writes an even indirection table and reads it back, because a driver may ignore the
// update. It asks for the size again, which may depend on the number of queues.
func (p *port) readTable() ([]uint16, error) {
	var info C.struct_rte_eth_dev_info
	if rc := C.rte_eth_dev_info_get(p.id, &info); rc != 0 || info.reta_size == 0 {
		return nil, errors.New("the driver has no indirection table")
	}
	size := int(info.reta_size)
	wanted := newTable(size, func(i int) int { return i % p.config.Queues })
	C.rte_eth_dev_rss_reta_update(p.id, &wanted[0], info.reta_size)
	found := newTable(size, func(int) int { return maxQueues })
	if rc := C.rte_eth_dev_rss_reta_query(p.id, &found[0], info.reta_size); rc != 0 {
		return nil, fmt.Errorf("the driver does not report its indirection table: %w", errno(int(rc)))
	}
	table := make([]uint16, size)
	for i := range table {
		table[i] = uint16(found[i/groupSize].reta[i%groupSize])
		if int(table[i]) >= p.config.Queues {
			return nil, fmt.Errorf("the driver's indirection table names queue %d", table[i])
		}
	}
	return table, nil
}

// groupSize is the number of table entries in one structure of DPDK.
const groupSize = C.RTE_ETH_RETA_GROUP_SIZE

func newTable(size int, queue func(entry int) int) []C.struct_rte_eth_rss_reta_entry64 {
	groups := make([]C.struct_rte_eth_rss_reta_entry64, (size+groupSize-1)/groupSize)
	for i := range size {
		group := &groups[i/groupSize]
		group.mask |= 1 << (i % groupSize)
		group.reta[i%groupSize] = C.uint16_t(queue(i))
	}
	return groups
}
