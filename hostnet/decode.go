package hostnet

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// address is an address of an interface.
type address struct {
	link   int
	prefix netip.Prefix
	usable bool // not being checked for duplicates, and no duplicate
}

// route is a unicast route of the main table.
type route struct {
	to     netip.Prefix
	metric uint32
	hops   []hop // in the kernel's order; those that are dead are left out
}

// hop is one of a route's next hops.
type hop struct {
	link int
	via  netip.Addr // invalid: the destination is on the link
}

// station is a permanent neighbour.
type station struct {
	link    int
	address netip.Addr
	mac     net.HardwareAddr
}

// The sizes of the headers before the attributes, in bytes (linux/if_addr.h, linux/rtnetlink.h,
// linux/neighbour.h, linux/if_link.h).
const (
	addressHeader = 8
	routeHeader   = 12
	stationHeader = 12
	linkHeader    = 16
	hopHeader     = 8
)

// attributes calls each for the attributes behind a message's header. It stops at one that is cut
// off.
func attributes(message []byte, header int, each func(kind uint16, value []byte)) {
	const size = 4 // of an attribute's own header
	for rest := message[min(header, len(message)):]; len(rest) >= size; {
		length := int(binary.NativeEndian.Uint16(rest))
		if length < size || length > len(rest) {
			return
		}
		each(binary.NativeEndian.Uint16(rest[2:])&nl.NLA_TYPE_MASK, rest[size:length])
		rest = rest[min((length+3)&^3, len(rest)):]
	}
}

// decodeAddress returns the address of an RTM_NEWADDR message.
func decodeAddress(m []byte) (a address, ok bool) {
	if len(m) < addressHeader {
		return a, false
	}
	bits, flags := int(m[1]), uint32(m[2])
	a.link = int(binary.NativeEndian.Uint32(m[4:]))
	var local, peer netip.Addr
	attributes(m, addressHeader, func(kind uint16, value []byte) {
		switch {
		case kind == unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(value)
		case kind == unix.IFA_ADDRESS:
			peer, _ = netip.AddrFromSlice(value)
		case kind == unix.IFA_FLAGS && len(value) == 4:
			flags = binary.NativeEndian.Uint32(value)
		}
	})
	if !local.IsValid() {
		local = peer
	}
	if peer != local { // a point-to-point link: the prefix is the peer's
		bits = local.BitLen()
	}
	a.prefix = netip.PrefixFrom(local, bits)
	a.usable = flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0
	return a, a.prefix.IsValid()
}

// deadHop are the flags of next hops that the kernel does not use.
const deadHop = unix.RTNH_F_DEAD | unix.RTNH_F_LINKDOWN

// decodeRoute returns the route of an RTM_NEWROUTE message. ok is false if it is no unicast route
// of the main table that holds for every source and every type of service.
func decodeRoute(m []byte) (r route, ok bool) {
	if len(m) < routeHeader || m[7] != unix.RTN_UNICAST || m[2] != 0 || m[3] != 0 {
		return r, false
	}
	flags := binary.NativeEndian.Uint32(m[8:])
	table, to := uint32(m[4]), unspecified(m[0])
	one := hop{}
	attributes(m, routeHeader, func(kind uint16, value []byte) {
		switch {
		case kind == unix.RTA_DST:
			to, _ = netip.AddrFromSlice(value)
		case kind == unix.RTA_MULTIPATH:
			r.hops = decodeHops(value)
		case len(value) == 4 && kind == unix.RTA_TABLE:
			table = binary.NativeEndian.Uint32(value)
		case len(value) == 4 && kind == unix.RTA_PRIORITY:
			r.metric = binary.NativeEndian.Uint32(value)
		default:
			one.attribute(kind, value)
		}
	})
	if r.hops == nil && one.link != 0 && flags&deadHop == 0 {
		r.hops = []hop{one}
	}
	r.to = netip.PrefixFrom(to, int(m[1])).Masked()
	ok = r.to.IsValid() && table == unix.RT_TABLE_MAIN && flags&unix.RTM_F_CLONED == 0
	return r, ok && len(r.hops) > 0
}

// unspecified returns the address of a default route.
func unspecified(family byte) netip.Addr {
	if family == unix.AF_INET6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// attribute takes in an attribute of a route or a next hop.
func (h *hop) attribute(kind uint16, value []byte) {
	switch {
	case kind == unix.RTA_OIF && len(value) == 4:
		h.link = int(binary.NativeEndian.Uint32(value))
	case kind == unix.RTA_GATEWAY:
		h.via, _ = netip.AddrFromSlice(value)
	case kind == unix.RTA_VIA && len(value) > 2: // a gateway of another IP version
		h.via, _ = netip.AddrFromSlice(value[2:])
	}
}

// decodeHops returns the live next hops of a route with several. It is not nil.
func decodeHops(list []byte) []hop {
	hops := []hop{}
	for len(list) >= hopHeader {
		length := int(binary.NativeEndian.Uint16(list))
		if length < hopHeader || length > len(list) {
			break
		}
		h := hop{link: int(binary.NativeEndian.Uint32(list[4:]))}
		attributes(list[:length], hopHeader, h.attribute)
		if list[2]&deadHop == 0 {
			hops = append(hops, h)
		}
		list = list[min((length+3)&^3, len(list)):]
	}
	return hops
}

// decodeStation returns the neighbour of an RTM_NEWNEIGH message. ok is false if it is not
// permanent.
func decodeStation(m []byte) (s station, ok bool) {
	if len(m) < stationHeader || m[0] != unix.AF_INET && m[0] != unix.AF_INET6 {
		return s, false
	}
	s.link = int(binary.NativeEndian.Uint32(m[4:]))
	state, flags := binary.NativeEndian.Uint16(m[8:]), m[10]
	attributes(m, stationHeader, func(kind uint16, value []byte) {
		switch kind {
		case unix.NDA_DST:
			s.address, _ = netip.AddrFromSlice(value)
		case unix.NDA_LLADDR:
			s.mac = net.HardwareAddr(append([]byte(nil), value...))
		}
	})
	ok = state&unix.NUD_PERMANENT != 0 && flags&unix.NTF_PROXY == 0
	return s, ok && s.address.IsValid() && !s.address.IsMulticast()
}
