package ipvs

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

var host = binary.NativeEndian

// split returns the messages of a datagram, as the kernel takes them from one: the first that does
// not fit ends it.
func split(datagram []byte) (all []netlink.Message) {
	for len(datagram) >= headerLen {
		h := netlink.Header{
			Length: host.Uint32(datagram), Type: netlink.HeaderType(host.Uint16(datagram[4:])),
			Flags:    netlink.HeaderFlags(host.Uint16(datagram[6:])),
			Sequence: host.Uint32(datagram[8:]), PID: host.Uint32(datagram[12:]),
		}
		if h.Length < headerLen || uint64(h.Length) > uint64(len(datagram)) {
			break
		}
		all = append(all, netlink.Message{Header: h, Data: datagram[headerLen:h.Length]})
		datagram = datagram[min(aligned(int(h.Length)), len(datagram)):]
	}
	return all
}

// aligned rounds a length up to netlink's four bytes.
func aligned(n int) int { return (n + 3) &^ 3 }

// appendMessage appends a message to a datagram, with its length and padding.
func appendMessage(datagram []byte, h netlink.Header, data []byte) []byte {
	datagram = host.AppendUint32(datagram, uint32(headerLen+len(data)))
	datagram = host.AppendUint16(datagram, uint16(h.Type))
	datagram = host.AppendUint16(datagram, uint16(h.Flags))
	datagram = host.AppendUint32(datagram, h.Sequence)
	datagram = host.AppendUint32(datagram, h.PID)
	datagram = append(datagram, data...)
	return append(datagram, make([]byte, aligned(len(data))-len(data))...)
}

// generic returns the data of a generic netlink message: its header and its attributes.
func generic(command uint8, attributes []byte) []byte {
	return append([]byte{command, version, 0, 0}, attributes...)
}

// errShort says that a value is shorter than its type.
var errShort = errors.New("short attribute")

// given is a set of attributes, by their numbers.
type given uint32

// has reports whether all of some attributes are there.
func (g given) has(all ...int) bool {
	for _, a := range all {
		if g&(1<<a) == 0 {
			return false
		}
	}
	return true
}

// eachAttribute calls take for each attribute, and returns which ones there were.
func eachAttribute(
	b []byte, take func(kind uint16, d *netlink.AttributeDecoder),
) (was given, err error) {
	d, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return 0, err
	}
	for d.Next() {
		if d.Type() < 32 {
			was |= 1 << d.Type()
		}
		take(d.Type(), d)
	}
	return was, d.Err()
}

// port reads a port, which is big-endian.
func port(d *netlink.AttributeDecoder) (p uint16) {
	d.Do(func(b []byte) error {
		if len(b) < 2 {
			return errShort
		}
		p = binary.BigEndian.Uint16(b)
		return nil
	})
	return p
}

// rawAddress is an address as messages have it: an IPv4 one in its first bytes.
type rawAddress [16]byte

func (a *rawAddress) read(d *netlink.AttributeDecoder) {
	d.Do(func(b []byte) error {
		if copy(a[:], b) < len(b) {
			return errors.New("long address")
		}
		return nil
	})
}

// of returns the address of a family (AF_INET, AF_INET6); invalid for any other.
func (a *rawAddress) of(family uint16) netip.Addr {
	switch family {
	case unix.AF_INET:
		return netip.AddrFrom4([4]byte(a[:4]))
	case unix.AF_INET6:
		return netip.AddrFrom16(*a)
	}
	return netip.Addr{}
}

// raw is the inverse of of.
func raw(a netip.Addr) (r rawAddress) {
	copy(r[:], a.AsSlice())
	return r
}

// familyOf returns the family of an address.
func familyOf(a netip.Addr) uint16 {
	if a.Is6() {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// encoder writes attributes. The kernel does not flag its nested ones, and clients compare types
// without a mask, so this does not either.
type encoder struct{ *netlink.AttributeEncoder }

func newEncoder() encoder { return encoder{netlink.NewAttributeEncoder()} }

func (e encoder) port(kind uint16, p uint16) {
	e.Bytes(kind, binary.BigEndian.AppendUint16(nil, p))
}

// nested adds the attributes of another encoder as one.
func (e encoder) nested(kind uint16, inside encoder) { e.Bytes(kind, inside.bytes()) }

// bytes returns the attributes. None of them can be too long.
func (e encoder) bytes() []byte {
	b, err := e.Encode()
	if err != nil {
		panic("ipvs: " + err.Error())
	}
	return b
}
