package config

import (
	"net"
	"net/netip"
	"strconv"
)

// The forms of addresses in a file, as said to the person who got one wrong.
const (
	addressForm  = `write an address such as "10.0.0.1"`
	subnetForm   = `write an address with the length of its prefix, such as "10.0.0.1/24"`
	socketForm   = `write an address with a port, such as "10.0.0.1:80"`
	hardwareForm = `write a unicast MAC address such as "02:00:00:00:00:fe"`
)

// broadcast is the one address that netip has no word for.
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// address gives a unicast address; the zero Addr where there is none. An IPv6 address is reported and given all the same,
// so that it is checked like the others.
func (v value) address() netip.Addr {
	a, ok := parsed(v, netip.ParseAddr, "an address", addressForm)
	if !ok || !v.unicast(a) {
		return netip.Addr{}
	}
	return a
}

// socket gives a unicast address and a port that is not 0.
func (v value) socket() netip.AddrPort {
	s, ok := parsed(v, netip.ParseAddrPort, "an address with a port", socketForm)
	if !ok || !v.unicast(s.Addr()) {
		return netip.AddrPort{}
	}
	if s.Port() == 0 {
		v.report("port 0 is nobody's", "write a port from 1 to 65535")
		return netip.AddrPort{}
	}
	return s
}

// ownAddress gives an address of the director's own with its subnet.
func (v value) ownAddress() netip.Prefix {
	p, ok := parsed(v, netip.ParsePrefix, "an address with the length of its prefix", subnetForm)
	if !ok || !v.unicast(p.Addr()) {
		return netip.Prefix{}
	}
	switch {
	case p.Bits() == 0:
		v.reportf(subnetForm, "%s makes the whole world one subnet", p)
	case !isHost(p, p.Addr()):
		v.reportf("choose one between them", "%s is the subnet's network or broadcast address", p)
	default:
		return p
	}
	return netip.Prefix{}
}

// subnet gives a prefix without host bits.
func (v value) subnet() netip.Prefix {
	p, ok := parsed(v, netip.ParsePrefix, "a subnet", `write a subnet such as "10.2.0.0/16"`)
	if !ok {
		return netip.Prefix{}
	}
	v.version4(p.Addr())
	if p != p.Masked() {
		v.reportf("write "+strconv.Quote(p.Masked().String()), "%s has bits set behind its prefix", p)
	}
	return p.Masked()
}

// unicast reports what cannot be the address of one host.
func (v value) unicast(a netip.Addr) bool {
	v.version4(a)
	flaw := ""
	switch plain := a.Unmap(); {
	case plain.IsUnspecified():
		flaw = "the unspecified address"
	case plain.IsLoopback():
		flaw = "a loopback address"
	case plain.IsMulticast():
		flaw = "a multicast address"
	case plain == broadcast:
		flaw = "the broadcast address"
	default:
		return true
	}
	v.reportf("use the address of one host", "%s is %s", a, flaw)
	return false
}

// version4 reports an IPv6 address.
func (v value) version4(a netip.Addr) {
	if a.Is6() {
		v.reportf("use IPv4", "IPv6 is not supported yet: %s", a)
	}
}

// hardware gives the MAC address of one neighbour.
func (v value) hardware() net.HardwareAddr {
	mac, ok := parsed(v, net.ParseMAC, "a MAC address", hardwareForm)
	if !ok {
		return nil
	}
	switch {
	case len(mac) != 6:
		v.reportf(hardwareForm, "%s has %d bytes, not 6", mac, len(mac))
	case mac[0]&1 == 1:
		v.reportf(hardwareForm, "%s is a multicast or broadcast address", mac)
	case mac.String() == "00:00:00:00:00:00":
		v.reportf(hardwareForm, "%s is nobody's address", mac)
	}
	return mac
}

// isHost says whether a may be a host of the subnet: for IPv4 the first and the last address are not, unless the
// subnet is a single address or a point-to-point link (RFC 3021).
func isHost(subnet netip.Prefix, a netip.Addr) bool {
	if !a.Is4() || subnet.Bits() >= 31 {
		return true
	}
	return subnet.Contains(a.Prev()) && subnet.Contains(a.Next())
}
