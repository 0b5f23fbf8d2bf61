package ipvs

import (
	"math"

	"github.com/mdlayher/netlink"
)

// Stats are the counters of a service or a destination, and their rates a second.
type Stats struct {
	Connections, InPackets, OutPackets, InBytes, OutBytes uint64
	Rates
}

// Rates are averages over the last seconds: new sessions, packets and bytes a second.
type Rates struct{ CPS, InPPS, OutPPS, InBPS, OutBPS uint64 }

// fields returns all figures in the order of their attributes (IPVS_STATS_ATTR_*, from 1 on).
func (s *Stats) fields() [10]*uint64 {
	return [...]*uint64{
		&s.Connections, &s.InPackets, &s.OutPackets, &s.InBytes, &s.OutBytes,
		&s.CPS, &s.InPPS, &s.OutPPS, &s.InBPS, &s.OutBPS,
	}
}

// wide reports whether a figure has 64 bits in the narrow form too: the bytes.
func wide(field int) bool { return field == 3 || field == 4 }

// encode returns the attributes in the narrow form, where a large counter is cut to 32 bits, as in
// the kernel, or in the form with 64 bits.
func (s *Stats) encode(narrow bool) encoder {
	e := newEncoder()
	for i, f := range s.fields() {
		if narrow && !wide(i) {
			e.Uint32(uint16(i+1), uint32(*f&math.MaxUint32))
		} else {
			e.Uint64(uint16(i+1), *f)
		}
	}
	return e
}

// decode reads attributes of either form.
func (s *Stats) decode(b []byte) error {
	all := s.fields()
	_, err := eachAttribute(b, func(kind uint16, d *netlink.AttributeDecoder) {
		switch i := int(kind) - 1; {
		case i < 0 || i >= len(all):
		case d.Len() == 0:
		default:
			d.Do(func(b []byte) error { return number(b, all[i]) })
		}
	})
	return err
}

// number reads a number of 32 or 64 bits.
func number(b []byte, to *uint64) error {
	switch len(b) {
	case 4:
		*to = uint64(host.Uint32(b))
	case 8:
		*to = host.Uint64(b)
	default:
		return errShort
	}
	return nil
}
