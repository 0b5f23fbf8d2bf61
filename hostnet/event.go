package hostnet

import (
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"
)

// Event says what may have changed on the interfaces that are watched.
type Event uint8

// The bits of Event.
const (
	Addresses Event = 1 << iota // addresses, or the interfaces themselves
	Others                      // routes, neighbours

	Everything = Addresses | Others
)

// eventOf returns what a message says about the interfaces that watched knows by index or name.
func eventOf(m *syscall.NetlinkMessage, watched *links) Event {
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		if watched.hasIndex(linkOf(m.Data, linkHeader)) || watched.hasName(nameIn(m.Data)) {
			return Everything
		}
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		if a, ok := decodeAddress(m.Data); ok && watched.hasIndex(a.link) {
			return Everything // routes may go with their address
		}
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		return routeEvent(m, watched)
	case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
		return stationEvent(m, watched)
	}
	return 0
}

// routeEvent leaves out routes by other interfaces only, unless one takes the place of another: the
// kernel does not name the one that goes.
func routeEvent(m *syscall.NetlinkMessage, watched *links) Event {
	if len(m.Data) < routeHeader || m.Data[7] != unix.RTN_UNICAST {
		return 0
	}
	one, many := hop{}, false
	attributes(m.Data, routeHeader, func(kind uint16, value []byte) {
		one.attribute(kind, value)
		many = many || kind == unix.RTA_MULTIPATH
	})
	replaces := watched.routed && m.Header.Flags&unix.NLM_F_REPLACE != 0
	if many || one.link == 0 || watched.hasIndex(one.link) || replaces {
		return Others
	}
	return 0
}

// stationEvent leaves out what the kernel learns by itself all the time.
func stationEvent(m *syscall.NetlinkMessage, watched *links) Event {
	s, permanent := decodeStation(m.Data)
	if !watched.hasIndex(s.link) || !permanent && !watched.stationed {
		return 0
	}
	return Others
}

// linkOf returns the index in the header of a message about an interface.
func linkOf(m []byte, header int) int {
	if len(m) < header {
		return 0
	}
	return int(int32(binary.NativeEndian.Uint32(m[4:])))
}

// nameIn returns the name of the interface that a message is about.
func nameIn(m []byte) (name string) {
	attributes(m, linkHeader, func(kind uint16, value []byte) {
		if kind == unix.IFLA_IFNAME && len(value) > 0 {
			name = string(value[:len(value)-1]) // it ends with 0
		}
	})
	return name
}
