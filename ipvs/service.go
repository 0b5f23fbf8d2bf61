package ipvs

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Service is a service as messages have it. Its key is its family and either its mark or its
// protocol, address and port.
type Service struct {
	Family   uint16 // AF_INET or AF_INET6
	Protocol uint16 // IP's number; valid without a mark, like Address and Port
	Address  netip.Addr
	Port     uint16
	Mark     uint32 // 0 for none

	Scheduler string // its name, such as "wlc"
	Engine    string // the persistence engine's name, or empty
	Flags     uint32
	FlagsMask uint32 // those of Flags that a request sets
	Timeout   uint32 // of persistence, in seconds
	Mask      int    // prefix length of the networks of persistence; -1 for a mask that is none
	Stats     Stats

	given given
}

// keyed reports whether the message names a service.
func (s *Service) keyed() bool {
	return s.given.has(svcFamily) &&
		(s.given.has(svcMark) || s.given.has(svcPort, svcProtocol, svcAddress))
}

// whole reports whether the message has all settings.
func (s *Service) whole() bool {
	return s.given.has(svcScheduler, svcFlags, svcTimeout, svcNetmask)
}

// encode returns the attributes of a service: those of the kernel's answers.
func (s *Service) encode() encoder {
	e := newEncoder()
	e.Uint16(svcFamily, s.Family)
	if s.Mark != 0 {
		e.Uint32(svcMark, s.Mark)
	} else {
		address := raw(s.Address)
		e.Uint16(svcProtocol, s.Protocol)
		e.Bytes(svcAddress, address[:])
		e.port(svcPort, s.Port)
	}
	e.String(svcScheduler, s.Scheduler)
	if s.Engine != "" {
		e.String(svcEngine, s.Engine)
	}
	e.Bytes(svcFlags, host.AppendUint32(host.AppendUint32(nil, s.Flags), s.FlagsMask))
	e.Uint32(svcTimeout, s.Timeout)
	e.Bytes(svcNetmask, netmask(s.Family, s.Mask))
	e.nested(svcStats, s.Stats.encode(true))
	e.nested(svcStats64, s.Stats.encode(false))
	return e
}

// decodeService reads the attributes of a service.
func decodeService(b []byte) (s Service, err error) {
	var address rawAddress
	var mask []byte
	s.given, err = eachAttribute(b, func(kind uint16, d *netlink.AttributeDecoder) {
		switch kind {
		case svcFamily:
			s.Family = d.Uint16()
		case svcProtocol:
			s.Protocol = d.Uint16()
		case svcAddress:
			address.read(d)
		case svcPort:
			s.Port = port(d)
		case svcMark:
			s.Mark = d.Uint32()
		case svcScheduler:
			s.Scheduler = d.String()
		case svcEngine:
			s.Engine = d.String()
		case svcFlags:
			d.Do(s.readFlags)
		case svcTimeout:
			s.Timeout = d.Uint32()
		case svcNetmask:
			mask = d.Bytes()
		case svcStats, svcStats64:
			d.Do(s.Stats.decode)
		}
	})
	s.Address = address.of(s.Family)
	if err == nil && mask != nil {
		s.Mask, err = maskBits(s.Family, mask)
	}
	return s, err
}

func (s *Service) readFlags(b []byte) error {
	if len(b) != 8 {
		return errors.New("flags are two numbers")
	}
	s.Flags, s.FlagsMask = host.Uint32(b), host.Uint32(b[4:])
	return nil
}

// netmask returns a mask: of IPv4 as an address, of IPv6 its length.
func netmask(family uint16, length int) []byte {
	if family == unix.AF_INET6 {
		return host.AppendUint32(nil, uint32(length))
	}
	return binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-min(max(length, 0), 32)))
}

// maskBits is the inverse of netmask.
func maskBits(family uint16, b []byte) (int, error) {
	if len(b) != 4 {
		return 0, errShort
	}
	if n := host.Uint32(b); family == unix.AF_INET6 {
		if n > 128 {
			return -1, nil
		}
		return int(n), nil
	}
	mask := binary.BigEndian.Uint32(b)
	length := bits.LeadingZeros32(^mask)
	if mask<<length != 0 {
		return -1, nil
	}
	return length, nil
}
