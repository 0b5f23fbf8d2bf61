package adopt

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// kind is what an entry of an interface is.
type kind uint8

const (
	address kind = iota
	route
	neighbour
)

// The sizes of the headers before the attributes, in bytes, by kind (linux/if_addr.h,
// linux/rtnetlink.h, linux/neighbour.h).
var headers = [...]int{address: 8, route: 12, neighbour: 12}

// entry is an address, a route or a neighbour, as the kernel has shown it.
type entry struct {
	kind       kind
	header     []byte
	attributes []attribute
}

type attribute struct {
	kind  uint16
	value []byte
}

// newEntry reads a message of the kernel. ok is false if it is too short.
func newEntry(k kind, message []byte) (e entry, ok bool) {
	if len(message) < headers[k] {
		return e, false
	}
	e = entry{kind: k, header: slices.Clone(message[:headers[k]])}
	const size = 4 // of an attribute's own header
	for rest := message[headers[k]:]; len(rest) >= size; {
		length := int(binary.NativeEndian.Uint16(rest))
		if length < size || length > len(rest) {
			break
		}
		a := attribute{binary.NativeEndian.Uint16(rest[2:]), slices.Clone(rest[size:length])}
		e.attributes = append(e.attributes, a)
		rest = rest[min((length+3)&^3, len(rest)):]
	}
	return e, true
}

// get returns an attribute's value, or nil.
func (e *entry) get(kind uint16) []byte {
	for _, a := range e.attributes {
		if a.kind&nl.NLA_TYPE_MASK == kind {
			return a.value
		}
	}
	return nil
}

// number returns an attribute of four bytes, or 0.
func (e *entry) number(kind uint16) uint32 {
	if v := e.get(kind); len(v) == 4 {
		return binary.NativeEndian.Uint32(v)
	}
	return 0
}

func (e *entry) addr(kind uint16) netip.Addr {
	a, _ := netip.AddrFromSlice(e.get(kind))
	return a
}

// link returns the index of the entry's interface, or 0.
func (e *entry) link() int {
	if e.kind == route {
		return int(e.number(unix.RTA_OIF))
	}
	return int(binary.NativeEndian.Uint32(e.header[4:]))
}

// local returns an address with its prefix length.
func (e *entry) local() netip.Prefix {
	a := e.addr(unix.IFA_LOCAL)
	if !a.IsValid() {
		a = e.addr(unix.IFA_ADDRESS)
	}
	return netip.PrefixFrom(a, int(e.header[1]))
}

// flags returns the flags of an address.
func (e *entry) flags() uint32 {
	if e.get(unix.IFA_FLAGS) != nil {
		return e.number(unix.IFA_FLAGS)
	}
	return uint32(e.header[2])
}

// destination returns that of a route.
func (e *entry) destination() netip.Prefix {
	to := e.addr(unix.RTA_DST)
	switch {
	case to.IsValid():
	case e.header[0] == unix.AF_INET6:
		to = netip.IPv6Unspecified()
	default:
		to = netip.IPv4Unspecified()
	}
	return netip.PrefixFrom(to, int(e.header[1]))
}

// table returns that of a route.
func (e *entry) table() uint32 {
	if t := e.number(unix.RTA_TABLE); t != 0 {
		return t
	}
	return uint32(e.header[4])
}

// The attributes that are moved with an entry. Others are the kernel's own notes.
var moved = [...][]uint16{
	address: {unix.IFA_ADDRESS, unix.IFA_LOCAL, unix.IFA_BROADCAST, unix.IFA_CACHEINFO,
		unix.IFA_RT_PRIORITY, ifaProtocol},
	route: {unix.RTA_DST, unix.RTA_SRC, unix.RTA_GATEWAY, unix.RTA_PRIORITY, unix.RTA_PREFSRC,
		unix.RTA_METRICS, unix.RTA_FLOW, unix.RTA_TABLE, unix.RTA_PREF, unix.RTA_ENCAP_TYPE,
		unix.RTA_ENCAP, unix.RTA_VIA, unix.RTA_TTL_PROPAGATE},
	neighbour: {unix.NDA_DST, unix.NDA_LLADDR},
}

// ifaProtocol is IFA_PROTO (linux/if_addr.h): who gave the address.
const ifaProtocol = 11

// movedFlags are the flags of an address that may be given with it.
const movedFlags = unix.IFA_F_HOMEADDRESS | unix.IFA_F_MANAGETEMPADDR | unix.IFA_F_NOPREFIXROUTE |
	unix.IFA_F_MCAUTOJOIN | unix.IFA_F_NODAD

// on returns the entry on an interface, as a request to add it.
func (e *entry) on(l Link) entry {
	n := entry{kind: e.kind, header: slices.Clone(e.header)}
	for _, a := range e.attributes {
		if slices.Contains(moved[e.kind], a.kind&nl.NLA_TYPE_MASK) {
			n.attributes = append(n.attributes, a)
		}
	}
	switch e.kind {
	case route:
		n.putRoute(e, l)
	case address:
		n.putAddress(e, l)
	default:
		binary.NativeEndian.PutUint32(n.header[4:], uint32(l.Index))
	}
	return n
}

func (e *entry) add(kind uint16, value []byte) {
	e.attributes = append(e.attributes, attribute{kind, value})
}

func (e *entry) addNumber(kind uint16, n uint32) {
	e.add(kind, binary.NativeEndian.AppendUint32(nil, n))
}

// putRoute gives a route its interface, and what is left of its lifetime.
func (e *entry) putRoute(from *entry, l Link) {
	const ticks, expires = 100, 8 // a second (USER_HZ), and where rta_cacheinfo has the ticks
	binary.NativeEndian.PutUint32(e.header[8:],
		binary.NativeEndian.Uint32(e.header[8:])&unix.RTNH_F_ONLINK)
	e.addNumber(unix.RTA_OIF, uint32(l.Index))
	info := from.get(unix.RTA_CACHEINFO)
	if len(info) < expires+4 || e.header[0] != unix.AF_INET6 {
		return
	}
	if left := int32(binary.NativeEndian.Uint32(info[expires:])); left > 0 {
		e.addNumber(unix.RTA_EXPIRES, uint32((left+ticks-1)/ticks))
	}
}

// putAddress gives an address its interface. It is not checked for duplicates again: the host has
// it already.
func (e *entry) putAddress(from *entry, l Link) {
	binary.NativeEndian.PutUint32(e.header[4:], uint32(l.Index))
	flags := from.flags() & movedFlags
	if e.header[0] == unix.AF_INET6 {
		flags |= unix.IFA_F_NODAD
	}
	e.header[2] = byte(flags)
	e.addNumber(unix.IFA_FLAGS, flags)
	if label := newLabel(from.get(unix.IFA_LABEL), l.Name); label != "" {
		e.add(unix.IFA_LABEL, append([]byte(label), 0))
	}
}

// newLabel returns the label of an IPv4 address on another interface: what follows the colon stays.
// It is empty for an address that has none of its own, or one that would be too long.
func newLabel(was []byte, name string) string {
	_, alias, has := strings.Cut(strings.TrimRight(string(was), "\x00"), ":")
	if label := name + ":" + alias; has && len(label) < unix.IFNAMSIZ {
		return label
	}
	return ""
}

// body returns the entry as the content of a message.
func (e *entry) body() []byte {
	out := slices.Clone(e.header)
	for _, a := range e.attributes {
		out = binary.NativeEndian.AppendUint16(out, uint16(4+len(a.value)))
		out = binary.NativeEndian.AppendUint16(out, a.kind)
		out = append(out, a.value...)
		for len(out)%4 != 0 {
			out = append(out, 0)
		}
	}
	return out
}

// String returns the entry in the words of ip(8), without its interface.
func (e *entry) String() string {
	switch e.kind {
	case address:
		return e.local().String()
	case neighbour:
		return fmt.Sprintf("%s lladdr %s", e.addr(unix.NDA_DST), net.HardwareAddr(e.get(unix.NDA_LLADDR)))
	}
	text := e.destination().String()
	if e.destination().Bits() == 0 {
		text = "default"
	}
	if via := e.addr(unix.RTA_GATEWAY); via.IsValid() {
		text += " via " + via.String()
	}
	if metric := e.number(unix.RTA_PRIORITY); metric != 0 {
		text += fmt.Sprintf(" metric %d", metric)
	}
	if t := e.table(); t != unix.RT_TABLE_MAIN {
		text += fmt.Sprintf(" table %d", t)
	}
	return text
}
