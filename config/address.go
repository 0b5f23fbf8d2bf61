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
	socketForm   = `write an address with a port, such as "10.0.0.1:80" or "[fd00::1]:80"`
	hardwareForm = `write a unicast MAC address such as "02:00:00:00:00:fe"`
)

// broadcast is the one address that netip has no word for.
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// address gives a unicast address; the zero Addr where there is none.
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
		v.reportf("choose another one of it", "%s is the subnet's %s", p, nobodys(p))
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
	if !v.plain(p.Addr()) {
		return netip.Prefix{}
	}
	if p != p.Masked() {
		v.reportf("write "+strconv.Quote(p.Masked().String()), "%s has bits set behind its prefix", p)
	}
	return p.Masked()
}

// unicast reports what cannot be the address of one host.
func (v value) unicast(a netip.Addr) bool {
	if !v.plain(a) {
		return false
	}
	flaw := ""
	switch {
	case a.IsUnspecified():
		flaw = "the unspecified address"
	case a.IsLoopback():
		flaw = "a loopback address"
	case a.IsMulticast():
		flaw = "a multicast address"
	case a == broadcast:
		flaw = "the broadcast address"
	default:
		return true
	}
	v.reportf("use the address of one host", "%s is %s", a, flaw)
	return false
}

// plain reports an address in a form that no packet has: IPv4 written as IPv6, or with the zone that it is good for.
func (v value) plain(a netip.Addr) bool {
	switch {
	case a.Is4In6():
		v.reportf("write "+a.Unmap().String(), "%s is an IPv4 address written as IPv6", a)
	case a.Zone() != "":
		v.reportf("write "+a.WithZone("").String(), "%s names a zone, which a port's subnet tells already", a)
	default:
		return true
	}
	return false
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

// isHost says whether a may be a host of the subnet: for IPv4 the first and the last address are not, for IPv6 the first one, which
// is any router's (RFC 4291, 2.6.1); unless the subnet is a single address or a point-to-point link (RFC 3021, RFC 6164).
func isHost(subnet netip.Prefix, a netip.Addr) bool {
	switch {
	case subnet.Bits() >= a.BitLen()-1:
		return true
	case a.Is6():
		return subnet.Contains(a.Prev())
	}
	return subnet.Contains(a.Prev()) && subnet.Contains(a.Next())
}

// nobodys says what the addresses of a subnet are that no host has.
func nobodys(subnet netip.Prefix) string {
	if subnet.Addr().Is6() {
		return "routers' anycast address"
	}
	return "network or broadcast address"
}
