package lab

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// linkDeadline bounds the wait for carrier. The kernel's link watch may take a second.
const linkDeadline = 5 * time.Second

// addBridge makes a network's bridge with the router's addresses in the current namespace, the
// router's.
func addBridge(n network) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = n.bridge()
	if len(n.routers) > 0 {
		attrs.HardwareAddr = macOf(n.routers[0].Addr())
	}
	snooping := false
	bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("making bridge %s: %w; the kernel needs CONFIG_BRIDGE", n.bridge(), err)
	}
	return bringUp(n.bridge(), n.routers...)
}

// addCable makes a veth pair in the current namespace, the router's. One end becomes a port of the
// bridge, the other goes to the host's namespace. left is what it leaves to a network card.
func addCable(n network, e end, to namespace, left Offloads) error {
	handle, err := netns.GetFromName(string(to))
	if err != nil {
		return fmt.Errorf("opening network namespace %s: %w", to, err)
	}
	defer handle.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = e.plug
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerHardwareAddr, veth.PeerNamespace = e.device, e.mac, netlink.NsFd(handle)
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("making veth pair %s - %s: %w; the kernel needs CONFIG_VETH", e.plug,
			e.device, err)
	}
	if err := plugInto(n.bridge(), e.plug); err != nil {
		return err
	}
	if err := left.disable(e.plug); err != nil {
		return err
	}
	return bringUp(e.plug)
}

func plugInto(bridge, plug string) error {
	master, err := netlink.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("finding bridge %s: %w", bridge, err)
	}
	port, err := netlink.LinkByName(plug)
	if err != nil {
		return fmt.Errorf("finding %s: %w", plug, err)
	}
	if err := netlink.LinkSetMaster(port, master); err != nil {
		return fmt.Errorf("plugging %s into bridge %s: %w", plug, bridge, err)
	}
	return nil
}

// bringUp gives a device of the current namespace its addresses and sets it up.
func bringUp(device string, addresses ...netip.Prefix) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("finding %s: %w", device, err)
	}
	for _, address := range addresses {
		if err := addAddress(link, address); err != nil {
			return err
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("setting %s up: %w", device, err)
	}
	return nil
}

func addAddress(link netlink.Link, address netip.Prefix) error {
	parsed, err := netlink.ParseAddr(address.String())
	if err != nil {
		return fmt.Errorf("reading address %s: %w", address, err)
	}
	if err := netlink.AddrAdd(link, parsed); err != nil {
		return fmt.Errorf("adding %s to %s: %w", address, link.Attrs().Name, err)
	}
	return nil
}

// addDefaultRoute sets the default gateway of the current namespace.
func addDefaultRoute(gateway netip.Addr) error {
	if err := netlink.RouteAdd(&netlink.Route{Gw: gateway.AsSlice()}); err != nil {
		return fmt.Errorf("adding the default route via %s: %w", gateway, err)
	}
	return nil
}

// awaitCarrier waits until the devices of the current namespace are operational. A bridge port
// forwards nothing before.
func awaitCarrier(ctx context.Context, devices []string) error {
	return poll(ctx, linkDeadline, func() (bool, error) {
		links, err := netlink.LinkList()
		if err != nil {
			return false, fmt.Errorf("listing the router's devices: %w", err)
		}
		return !slices.ContainsFunc(links, func(l netlink.Link) bool {
			a := l.Attrs()
			return slices.Contains(devices, a.Name) && a.OperState != netlink.OperUp
		}), nil
	}, "the router's links to come up")
}
