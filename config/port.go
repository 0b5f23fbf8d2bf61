package config

import (
	"math/bits"
	"net/netip"
	"slices"
	"strings"
)

const (
	defaultDescriptors = 1024
	leastDescriptors   = 64
	mostDescriptors    = 4096 // the maximum of common NICs

	defaultMTU = 1500
	leastMTU   = 576  // every IPv4 host must be able to receive it (RFC 791)
	mostMTU    = 9600 // jumbo frames of common NICs
	leastMTUv6 = 1280 // every link with IPv6 (RFC 8200, 5)

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
		Guard:         t.get("guard").boolean(false),
		Host:          t.get("host").hostInterface(),
		Follow:        t.get("follow").boolean(false),
	}
}

// vlan returns a VLAN id. It returns 0 if the value is absent and unreadVLAN if it is invalid.
func (v value) vlan() int {
	if !v.given() {
		return 0
	}
	return v.integer(unreadVLAN, 0, mostVLAN)
}

// hostInterface returns the name of a host interface. It returns an empty name if the value is
// absent or invalid. The kernel takes % for a place where it puts a number, and has directories of
// settings that are named all and default.
func (v value) hostInterface() string {
	const form = `name the interface to make, such as "ful-front": at most 15 bytes, without spaces ` +
		`/ : and %; or "" for none`
	name, _ := as[string](v, "a string", form)
	reserved := slices.Contains([]string{"lo", "all", "default"}, name)
	odd := strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '%' })
	if name != "" && (!isInterfaceName(name) || odd || reserved) {
		v.reportf(form, "invalid interface name %q", name)
		return ""
	}
	return name
}

const (
	deviceForm = `name an interface of the kernel, such as "eth1", or a device of DPDK: a PCI address ` +
		`such as "0000:3b:00.0", or a vdev such as "net_af_xdp0,iface=eth1"`
	addressesForm = `give the port an address of its own, to resolve neighbours with, ` +
		`such as ["10.0.0.1/24"]`
)

// ownAddresses returns the director's own addresses on a port. An invalid one is the zero Prefix.
func (v value) ownAddresses() []netip.Prefix {
	elements, ok := v.elements()
	switch {
	case !ok && v.given():
		v.reportf(addressesForm, "is %s, not a list of addresses", typeName(v.raw))
	case len(elements) == 0 && v.given():
		v.report("the list is empty", addressesForm)
	}
	var addresses []netip.Prefix
	for _, element := range elements {
		addresses = append(addresses, element.ownAddress())
	}
	return addresses
}

// descriptors returns a number of descriptors. It must be a power of two: every driver accepts one,
// whatever multiple the driver requires.
func (v value) descriptors() int {
	n := v.integer(defaultDescriptors, leastDescriptors, mostDescriptors)
	if bits.OnesCount(uint(n)) != 1 {
		v.reportf("write 64, 128, 256, 512, 1024, 2048 or 4096", "%d is not a power of two", n)
	}
	return n
}
