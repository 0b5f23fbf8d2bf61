package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"fulcrum/hostway"
)

// The remedies for malformed addresses.
const (
	addressForm  = `write an address such as "10.0.0.1"`
	subnetForm   = `write an address with its prefix length, such as "10.0.0.1/24"`
	socketForm   = `write an address with a port, such as "10.0.0.1:80" or "[fd00::1]:80"`
	hardwareForm = `write a unicast MAC address such as "02:00:00:00:00:fe"`
)

// broadcast is the limited broadcast address, which netip does not name.
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// address returns a unicast address. It returns the zero Addr when the value is absent or invalid.
func (v value) address() netip.Addr {
	a, ok := parsed(v, netip.ParseAddr, "address", addressForm)
	if !ok || !v.unicast(a) {
		return netip.Addr{}
	}
	return a
}

// socket returns a unicast address with a port other than 0.
func (v value) socket() netip.AddrPort {
	s, ok := parsed(v, netip.ParseAddrPort, "address with port", socketForm)
	if !ok || !v.unicast(s.Addr()) {
		return netip.AddrPort{}
	}
	if s.Port() == 0 {
		v.report("invalid port 0", "write a port from 1 to 65535")
		return netip.AddrPort{}
	}
	return s
}

// serverSocket is socket for a real server. Without port, or with port 0, it has every port.
func (v value) serverSocket() netip.AddrPort {
	text, _ := v.raw.(string)
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		if !v.unicast(a) {
			return netip.AddrPort{}
		}
		return netip.AddrPortFrom(a, 0)
	}
	s, ok := parsed(v, netip.ParseAddrPort, "address with port", socketForm)
	if !ok || !v.unicast(s.Addr()) {
		return netip.AddrPort{}
	}
	return s
}

// ownAddress returns one of the director's own addresses with its prefix length.
func (v value) ownAddress() netip.Prefix {
	p, ok := parsed(v, netip.ParsePrefix, "address with prefix length", subnetForm)
	if !ok || !v.unicast(p.Addr()) {
		return netip.Prefix{}
	}
	switch {
	case p.Bits() == 0:
		v.reportf(subnetForm, "%s has prefix length 0, which puts every address on this subnet", p)
	case !isHost(p, p.Addr()):
		v.reportf("choose another address of the subnet", "%s is the %s of its subnet", p, reserved(p))
	default:
		return p
	}
	return netip.Prefix{}
}

// subnet returns a prefix without host bits.
func (v value) subnet() netip.Prefix {
	p, ok := parsed(v, netip.ParsePrefix, "subnet", `write a subnet such as "10.2.0.0/16"`)
	if !ok {
		return netip.Prefix{}
	}
	if !v.plain(p.Addr()) {
		return netip.Prefix{}
	}
	if p != p.Masked() {
		v.reportf("write "+strconv.Quote(p.Masked().String()), "%s has host bits set", p)
	}
	return p.Masked()
}

// unicast reports an address that cannot belong to one host.
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
	case hostway.IsReserved(a):
		flaw = "of the block that health checks through the mode have for themselves"
	default:
		return true
	}
	v.reportf("use the address of one host", "%s is %s", a, flaw)
	return false
}

// plain reports an address in a form that no packet carries: IPv4 written as IPv6, or an address
// with a zone.
func (v value) plain(a netip.Addr) bool {
	switch {
	case a.Is4In6():
		v.reportf("write "+a.Unmap().String(), "%s is an IPv4 address written as IPv6", a)
	case a.Zone() != "":
		v.reportf("write "+a.WithZone("").String(),
			"%s has a zone, but the port's subnet already selects the port", a)
	default:
		return true
	}
	return false
}

// hardware returns the MAC address of one neighbour.
func (v value) hardware() net.HardwareAddr {
	mac, ok := parsed(v, net.ParseMAC, "MAC address", hardwareForm)
	if !ok {
		return nil
	}
	switch {
	case len(mac) != 6:
		v.reportf(hardwareForm, "%s has %d bytes, not 6", mac, len(mac))
	case mac[0]&1 == 1:
		v.reportf(hardwareForm, "%s is a multicast or broadcast address", mac)
	case mac.String() == "00:00:00:00:00:00":
		v.reportf(hardwareForm, "%s is the all-zero MAC address", mac)
	}
	return mac
}

// isHost reports whether a host of the subnet may have the address a. In IPv4 the first and the
// last address are reserved. In IPv6 the first one is: it is the subnet-router anycast address
// (RFC 4291, 2.6.1). A single address and a point-to-point link reserve none (RFC 3021, RFC
// 6164).
func isHost(subnet netip.Prefix, a netip.Addr) bool {
	switch {
	case subnet.Bits() >= a.BitLen()-1:
		return true
	case a.Is6():
		return subnet.Contains(a.Prev())
	}
	return subnet.Contains(a.Prev()) && subnet.Contains(a.Next())
}

// reserved names the addresses of a subnet that no host may have.
func reserved(subnet netip.Prefix) string {
	if subnet.Addr().Is6() {
		return "subnet-router anycast address"
	}
	return "network or broadcast address"
}
