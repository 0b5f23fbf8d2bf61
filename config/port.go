package config

import (
	"math/bits"
	"net/netip"
)

const (
	defaultDescriptors = 1024
	leastDescriptors   = 64
	mostDescriptors    = 4096 // what the common NICs have

	defaultMTU = 1500
	leastMTU   = 576  // what every IPv4 host must be able to receive (RFC 791)
	mostMTU    = 9600 // the common NICs' jumbo frames

	mostVLAN   = 4094 // IEEE 802.1Q: 4095 is reserved
	unreadVLAN = -1
)

func readPort(t *table) Port {
	defer t.done()
	return Port{
		Name:          t.need("name", `name the port, such as name = "front"`).name(),
		Device:        t.need("device", deviceForm).word(deviceForm),
		Addresses:     t.need("addresses", addressesForm).ownAddresses(),
		RxDescriptors: t.get("rx_descriptors").descriptors(),
		TxDescriptors: t.get("tx_descriptors").descriptors(),
		MTU:           t.get("mtu").integer(defaultMTU, leastMTU, mostMTU),
		VLAN:          t.get("vlan").vlan(),
	}
}

// vlan gives a VLAN's number, 0 without one; unreadVLAN could not be read.
func (v value) vlan() int {
	if !v.given() {
		return 0
	}
	return v.integer(unreadVLAN, 0, mostVLAN)
}

const (
	deviceForm    = `name a DPDK device: a vdev such as "net_af_packet0,iface=eth1" or a PCI address such as "0000:3b:00.0"`
	addressesForm = `give the port an address of its own, which it needs to resolve neighbours, such as ["10.0.0.1/24"]`
)

func (v value) ownAddresses() []netip.Prefix {
	elements, ok := v.elements()
	switch {
	case !ok && v.given():
		v.reportf(addressesForm, "is %s, not a list of addresses", typeName(v.raw))
	case len(elements) == 0 && v.given():
		v.report("has no address", addressesForm)
	}
	var addresses []netip.Prefix
	for _, element := range elements {
		addresses = append(addresses, element.ownAddress())
	}
	return addresses
}

// descriptors gives a power of two: what every driver takes, whatever multiple it asks for.
func (v value) descriptors() int {
	n := v.integer(defaultDescriptors, leastDescriptors, mostDescriptors)
	if bits.OnesCount(uint(n)) != 1 {
		v.reportf("write 64, 128, 256, 512, 1024, 2048 or 4096", "%d is not a power of two", n)
	}
	return n
}
