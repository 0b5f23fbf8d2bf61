package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// New builds the file's lab and starts its real servers. Of the lab's configuration it reads Binary
// and Outlive. If it fails, it leaves nothing behind.
func (f *File) New(ctx context.Context, c Config) (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, errNeedsRoot
	}
	if err := c.checkBinary(); err != nil {
		return nil, fmt.Errorf("building a lab: %w", err)
	}
	c.Family, c.Workers = IPv4, min(len(f.config.Director.Workers), maxWorkers)
	if f.has6() {
		c.Family = IPv6
	}
	return raise(ctx, &Lab{config: c, plan: f.plan, user: f})
}

// furnish sets up what a host needs besides its addresses.
func (h *fileHost) furnish(e end) error {
	if len(h.vips) > 0 {
		if err := h.holdVIPs(); err != nil {
			return err
		}
	}
	if h.decapsulate {
		if err := decapsulateOn(e.device, e.addresses[0].Addr()); err != nil {
			return err
		}
	}
	if e.role == roleClient && e.device != farNetwork {
		return nil // what it asks is on its subnet
	}
	for _, gateway := range h.gateways {
		if err := routeVia(e.device, nil, gateway); err != nil {
			return err
		}
	}
	return nil
}

func (h *fileHost) holdVIPs() error {
	if err := silentVIP.apply(); err != nil {
		return err
	}
	ranged := func(p netip.Prefix) bool { return !p.IsSingleIP() }
	single := slices.DeleteFunc(slices.Clone(h.vips), ranged)
	if err := bringUp("lo", single...); err != nil {
		return err
	}
	for _, vip := range h.vips {
		if ranged(vip) {
			if err := holdPrefix(vip); err != nil {
				return err
			}
		}
	}
	return nil
}

// holdPrefix gives the host every address of a prefix: ip route add local PREFIX dev lo.
func holdPrefix(p netip.Prefix) error {
	link, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding lo: %w", err)
	}
	err = netlink.RouteAdd(&netlink.Route{
		LinkIndex: link.Attrs().Index, Dst: subnetOf(p), Type: unix.RTN_LOCAL,
		Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST,
	})
	if err != nil {
		return fmt.Errorf("adding the local route of %s: %w", p, err)
	}
	return nil
}

// routeVia adds a route by way of a gateway that is at a device, whatever the device's subnets. The
// nil destination is the default route.
func routeVia(device string, to *net.IPNet, gateway netip.Addr) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("finding %s: %w", device, err)
	}
	err = netlink.RouteAdd(&netlink.Route{
		LinkIndex: link.Attrs().Index, Dst: to, Gw: gateway.AsSlice(), Flags: int(netlink.FLAG_ONLINK),
	})
	if err != nil {
		return fmt.Errorf("adding a route via %s on %s: %w", gateway, device, err)
	}
	return nil
}

// routeFar gives the router its routes to hosts on no subnet, and to VIPs behind the director.
func (p *plan) routeFar() error {
	for _, n := range p.networks {
		for _, a := range n.hosts {
			if err := routeTo(n.bridge(), a); err != nil {
				return err
			}
		}
	}
	for _, r := range p.viaDirector {
		err := netlink.RouteAdd(&netlink.Route{Dst: subnetOf(r.to), Gw: r.via.AsSlice()})
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("adding the route to %s via %s: %w", r.to, r.via, err)
		}
	}
	return nil
}

// routeTo leads to a host that is at a device.
func routeTo(device string, a netip.Addr) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("finding %s: %w", device, err)
	}
	err = netlink.RouteAdd(&netlink.Route{
		LinkIndex: link.Attrs().Index, Dst: subnetOf(netip.PrefixFrom(a, a.BitLen())), Scope: netlink.SCOPE_LINK,
	})
	if err != nil {
		return fmt.Errorf("adding the route to %s at %s: %w", a, device, err)
	}
	return nil
}

func subnetOf(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// arguments returns what a file's real server is started with.
func (h *fileHost) arguments(name string) []string {
	list := []string{"lab", "real-server", "--name", name}
	for _, at := range h.tcp {
		list = append(list, "--tcp", at.String())
	}
	for _, at := range h.udp {
		list = append(list, "--udp", at.String())
	}
	return list
}
