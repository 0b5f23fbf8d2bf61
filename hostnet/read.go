package hostnet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// tries is how often a dump is repeated that a change has interrupted. The change brings a message,
// after which everything is read again.
const tries = 3

// dump calls each with the messages of a dump, until it returns false.
func dump(request, answer uint16, family uint8, header int, each func(m []byte) bool) (err error) {
	for range tries {
		req := nl.NewNetlinkRequest(int(request), unix.NLM_F_DUMP)
		body := make(raw, header)
		body[0] = family
		req.AddData(body)
		err = req.ExecuteIter(unix.NETLINK_ROUTE, answer, each)
		if !errors.Is(err, nl.ErrDumpInterrupted) {
			return err
		}
	}
	return nil
}

// raw is the header of a request.
type raw []byte

func (r raw) Len() int          { return len(r) }
func (r raw) Serialize() []byte { return r }

// read finds the indices of the interfaces. One that does not exist has none.
func (l *links) read() error {
	l.indices = make([]int, len(l.names))
	for i, name := range l.names {
		if name == "" {
			continue
		}
		link, err := netlink.LinkByName(name)
		if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading the host interface %s: %w", name, err)
		}
		l.indices[i] = link.Attrs().Index
	}
	return nil
}

// readAddresses reads the addresses of the interfaces.
func (f *facts) readAddresses(l *links) error {
	f.addresses = nil
	if !slices.ContainsFunc(l.indices, func(i int) bool { return i != 0 }) {
		return nil
	}
	err := dump(unix.RTM_GETADDR, unix.RTM_NEWADDR, unix.AF_UNSPEC, addressHeader, func(m []byte) bool {
		if a, ok := decodeAddress(m); ok && l.hasIndex(a.link) {
			f.addresses = append(f.addresses, a)
		}
		return len(f.addresses) < mostHeld
	})
	if err != nil {
		return fmt.Errorf("reading addresses: %w", err)
	}
	return nil
}

// readRoutes reads the routes by the interfaces.
func (f *facts) readRoutes(l *links) error {
	f.routes = nil
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		n, excess := 0, 0
		err := dump(unix.RTM_GETROUTE, unix.RTM_NEWROUTE, family, routeHeader, func(m []byte) bool {
			r, ok := decodeRoute(m)
			switch {
			case !ok || !l.leads(&r):
			case n == mostRoutes:
				excess++
			default:
				n++
				f.routes = append(f.routes, r)
			}
			return true
		})
		if err != nil {
			return fmt.Errorf("reading routes: %w", err)
		}
		f.excess += excess
	}
	return nil
}

// leads reports whether a route has a next hop by one of the interfaces.
func (l *links) leads(r *route) bool {
	for _, h := range r.hops {
		if l.hasIndex(h.link) {
			return true
		}
	}
	return false
}

// readStations reads the permanent neighbours on the interfaces.
func (f *facts) readStations(l *links) error {
	f.stations = nil
	err := dump(unix.RTM_GETNEIGH, unix.RTM_NEWNEIGH, unix.AF_UNSPEC, stationHeader, func(m []byte) bool {
		if s, ok := decodeStation(m); ok && l.hasIndex(s.link) {
			f.stations = append(f.stations, s)
		}
		return len(f.stations) < mostNeighbours*len(l.names)+1
	})
	if err != nil {
		return fmt.Errorf("reading neighbours: %w", err)
	}
	return nil
}

// held returns the addresses of each interface that a VIP may be.
func (f *facts) held(l *links) [][]netip.Addr {
	all := make([][]netip.Addr, len(l.names))
	for _, a := range f.addresses {
		if i := l.placeOf(a.link); i >= 0 && a.usable {
			all[i] = append(all[i], a.prefix.Addr())
		}
	}
	return all
}
