package ipvs

import (
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Destination is a real server as messages have it. Its key is its address and port.
type Destination struct {
	Family  uint16 // AF_INET or AF_INET6; 0 for that of the service
	Address netip.Addr
	Port    uint16

	Method   uint32 // how packets get there: methodMasq and so on
	Weight   int32
	Upper    uint32 // thresholds in sessions; 0 for none
	Lower    uint32
	TunType  uint8
	TunPort  uint16
	TunFlags uint16

	Active, Inactive, Persistent uint32 // sessions and templates
	Stats                        Stats

	address rawAddress
	given   given
}

func (d *Destination) keyed() bool { return d.given.has(destAddress, destPort) }

// whole reports whether the message has all settings.
func (d *Destination) whole() bool {
	return d.given.has(destMethod, destWeight, destUpper, destLower)
}

// in gives a destination the family of its service, unless it has one.
func (d *Destination) in(service uint16) {
	if d.Family == 0 {
		d.Family = service
	}
	d.Address = d.address.of(d.Family)
}

// at returns the address and port.
func (d *Destination) at() netip.AddrPort { return netip.AddrPortFrom(d.Address, d.Port) }

// encode returns the attributes of a destination: those of the kernel's answers.
func (d *Destination) encode() encoder {
	e := newEncoder()
	address := raw(d.Address)
	e.Bytes(destAddress, address[:])
	e.port(destPort, d.Port)
	e.Uint32(destMethod, d.Method)
	e.Int32(destWeight, d.Weight)
	e.Uint8(destTunType, d.TunType)
	e.port(destTunPort, d.TunPort)
	e.Uint16(destTunFlags, d.TunFlags)
	e.Uint32(destUpper, d.Upper)
	e.Uint32(destLower, d.Lower)
	e.Uint32(destActive, d.Active)
	e.Uint32(destInactive, d.Inactive)
	e.Uint32(destPersistent, d.Persistent)
	e.Uint16(destFamily, d.Family)
	e.nested(destStats, d.Stats.encode(true))
	e.nested(destStats64, d.Stats.encode(false))
	return e
}

// decodeDestination reads the attributes of a destination. It has an address once it has a family.
func decodeDestination(b []byte) (d Destination, err error) {
	d.given, err = eachAttribute(b, func(kind uint16, a *netlink.AttributeDecoder) {
		switch kind {
		case destAddress:
			d.address.read(a)
		case destPort:
			d.Port = port(a)
		case destFamily:
			d.Family = a.Uint16()
		case destStats, destStats64:
			a.Do(d.Stats.decode)
		default:
			d.readSetting(kind, a)
		}
	})
	if d.Family != 0 {
		d.in(unix.AF_UNSPEC)
	}
	return d, err
}

func (d *Destination) readSetting(kind uint16, a *netlink.AttributeDecoder) {
	switch kind {
	case destMethod:
		d.Method = a.Uint32() & methodMask
	case destWeight:
		d.Weight = a.Int32()
	case destUpper:
		d.Upper = a.Uint32()
	case destLower:
		d.Lower = a.Uint32()
	case destTunType:
		d.TunType = a.Uint8()
	case destTunPort:
		d.TunPort = port(a)
	case destTunFlags:
		d.TunFlags = a.Uint16()
	case destActive:
		d.Active = a.Uint32()
	case destInactive:
		d.Inactive = a.Uint32()
	case destPersistent:
		d.Persistent = a.Uint32()
	}
}
