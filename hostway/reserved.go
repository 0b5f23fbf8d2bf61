package hostway

import (
	"encoding/binary"
	"net/netip"
)

// A health check through a service's mode goes to an address that stands for one real server of one
// service, while the check lasts. The director translates it, so that it is on no wire. These
// addresses are of blocks that no network uses: of IPv4's class E (RFC 1112, 4), and of a local
// block of IPv6 (RFC 4193).
var (
	reserved4 = netip.MustParsePrefix("252.0.0.0/15")
	reserved6 = netip.MustParsePrefix("fd66:756c:6372::/64")
)

// Reserved returns the block of one family.
func Reserved(six bool) netip.Prefix {
	if six {
		return reserved6
	}
	return reserved4
}

// IsReserved reports whether an address is of one of the blocks.
func IsReserved(a netip.Addr) bool { return Reserved(a.Is6()).Contains(a) }

// CheckTargets is how many addresses of a block stand for real servers.
const CheckTargets = 1 << 16

// In a block, the host sends from the first address, and has the second for its gateway. Targets
// follow after a gap.
const (
	checkSource  = 1
	checkGateway = 2
	firstTarget  = 1 << 16
)

// CheckSource returns the address from which the host checks.
func CheckSource(six bool) netip.Addr { return reservedAt(six, checkSource) }

// CheckTarget returns an address by its number, below CheckTargets.
func CheckTarget(number int, six bool) netip.Addr { return reservedAt(six, firstTarget+number) }

func reservedAt(six bool, place int) netip.Addr {
	b := Reserved(six).Addr().AsSlice()
	last := b[len(b)-4:]
	binary.BigEndian.PutUint32(last, binary.BigEndian.Uint32(last)+uint32(place))
	a, _ := netip.AddrFromSlice(b)
	return a
}

// TargetNumber returns the number of an address that CheckTarget may have returned.
func TargetNumber(a netip.Addr) (number int, ok bool) {
	if !IsReserved(a) {
		return 0, false
	}
	b := a.AsSlice()
	start := Reserved(a.Is6()).Addr().AsSlice()
	place := binary.BigEndian.Uint32(b[len(b)-4:]) - binary.BigEndian.Uint32(start[len(b)-4:])
	if len(b) == 16 && binary.BigEndian.Uint32(b[8:12]) != 0 ||
		place < firstTarget || place >= firstTarget+CheckTargets {
		return 0, false
	}
	return int(place - firstTarget), true
}
