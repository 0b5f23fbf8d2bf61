package hostway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// checkMAC is the gateway's: the director takes what goes there for its own.
var checkMAC = net.HardwareAddr{2, 0, 0, 0, 0, 1}

// Reserve gives the interface what checks through modes need in one family: an address to send
// from, and a route to all targets. What is there already stays. Any goroutine may call it.
func (i *Interface) Reserve(six bool) error {
	link, err := netlink.LinkByName(i.config.Name)
	if err == nil {
		err = reserve(link, six)
	}
	if err != nil {
		return fmt.Errorf("host interface %s: addresses for health checks: %w", i.config.Name, err)
	}
	return nil
}

func reserve(link netlink.Link, six bool) error {
	source := CheckSource(six)
	own := addressOf(netip.PrefixFrom(source, source.BitLen()))
	own.Flags = unix.IFA_F_NOPREFIXROUTE
	if six {
		own.Flags |= unix.IFA_F_NODAD
	}
	if err := netlink.AddrAdd(link, own); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("adding %s: %w", source, err)
	}
	gateway := reservedAt(six, checkGateway).AsSlice()
	if err := netlink.NeighSet(&netlink.Neigh{
		LinkIndex: link.Attrs().Index, IP: gateway, HardwareAddr: checkMAC, State: netlink.NUD_PERMANENT,
	}); err != nil {
		return fmt.Errorf("adding the neighbour: %w", err)
	}
	block := Reserved(six)
	if err := netlink.RouteReplace(&netlink.Route{
		LinkIndex: link.Attrs().Index, Gw: gateway, Flags: int(netlink.FLAG_ONLINK), Src: source.AsSlice(),
		Dst: &net.IPNet{IP: block.Addr().AsSlice(), Mask: net.CIDRMask(block.Bits(), source.BitLen())},
		// Another director's interface may have such a route too: sockets name their interface.
		Priority: link.Attrs().Index,
	}); err != nil {
		return fmt.Errorf("adding the route to %s: %w", block, err)
	}
	return nil
}
