package lab

import (
	"context"
	"fmt"
	"maps"

	"fulcrum/lvs"
)

// build makes the planned topology. If it fails, Close removes what it has made.
func (l *Lab) build(ctx context.Context) error {
	for _, role := range l.plan.roles() {
		if err := l.raiseHost(role); err != nil {
			return err
		}
	}
	if err := l.namespace(roleRouter).do(l.raiseNetworks); err != nil {
		return err
	}
	if err := l.prepareHosts(); err != nil {
		return err
	}
	return l.namespace(roleRouter).do(func() error { return awaitCarrier(ctx, l.plan.plugs()) })
}

// raiseHost makes a namespace with nothing but lo. The settings come first, so that they hold for
// every new device.
func (l *Lab) raiseHost(role string) error {
	ns := l.namespace(role)
	if err := ns.create(); err != nil {
		return err
	}
	return ns.do(func() error {
		if err := l.settings().apply(); err != nil {
			return fmt.Errorf("preparing %s: %w", role, err)
		}
		return bringUp("lo")
	})
}

// settings returns the settings that every host has.
func (l *Lab) settings() sysctls {
	all := maps.Clone(everyHost)
	if l.config.Family.has6() {
		maps.Copy(all, withIPv6)
	} else {
		maps.Copy(all, withoutIPv6)
	}
	return all
}

// raiseNetworks makes the networks, in the router's namespace.
func (l *Lab) raiseNetworks() error {
	if err := routerHost.apply(); err != nil {
		return fmt.Errorf("preparing the router: %w", err)
	}
	if l.config.Family.has6() {
		if err := routerIPv6.apply(); err != nil {
			return fmt.Errorf("preparing the router: %w", err)
		}
	}
	for _, n := range l.plan.networks {
		if err := l.raiseNetwork(n); err != nil {
			return err
		}
	}
	return l.plan.routeFar()
}

func (l *Lab) raiseNetwork(n network) error {
	if err := addBridge(n); err != nil {
		return err
	}
	for _, e := range n.ends {
		if err := addCable(n, e, l.namespace(e.role), l.config.Offloads); err != nil {
			return err
		}
	}
	return nil
}

// prepareHosts sets up the hosts' ends of the cables, and then what each role needs besides.
func (l *Lab) prepareHosts() error {
	for _, n := range l.plan.networks {
		for _, e := range n.ends {
			if err := l.namespace(e.role).do(func() error { return l.prepareHost(e) }); err != nil {
				return fmt.Errorf("preparing %s: %w", e.role, err)
			}
		}
	}
	return nil
}

func (l *Lab) prepareHost(e end) error {
	if err := l.config.Offloads.disable(e.device); err != nil {
		return err
	}
	if err := bringUp(e.device, e.addresses...); err != nil {
		return err
	}
	switch h := l.plan.hosts[e.role]; {
	case e.role == roleDirector && l.checksBySocket(e):
		return l.joinServers(e.device)
	case e.role == roleDirector:
		return nil
	case h != nil:
		return h.furnish(e)
	case e.role == roleClient:
		return addDefaultRoute(host(l.plan.clientNet, hostRouter))
	default:
		return l.prepareRealServer(e)
	}
}

// checksBySocket reports whether checks leave by this interface of the director's host.
func (l *Lab) checksBySocket(e end) bool {
	ports := l.plan.ports
	return l.config.Checks != nil && !l.config.Host && e.device == ports[len(ports)-1].Name
}

// joinServers gives the current namespace, the director's, an address on the real servers' network.
func (l *Lab) joinServers(device string) error {
	return bringUp(device, withBits(host(l.plan.serverNet, hostChecks), l.plan.serverNet))
}

// prepareRealServer prepares a real server as its mode needs.
func (l *Lab) prepareRealServer(e end) error {
	switch mode := l.config.Mode; {
	case mode.Path() == lvs.Tunnel:
		if err := l.holdVIP(); err != nil {
			return err
		}
		return decapsulateOn(e.device, e.addresses[0].Addr())
	case !mode.TwoWay():
		return l.holdVIP()
	case mode.Source() == lvs.Client:
		return addDefaultRoute(l.plan.serverDirector())
	default: // the local addresses are on its own subnet
		return nil
	}
}

// holdVIP prepares a real server that answers clients itself: it has the VIP, does not answer ARP
// for it, and sends answers by way of the router.
func (l *Lab) holdVIP() error {
	if err := silentVIP.apply(); err != nil {
		return err
	}
	if err := bringUp("lo", l.hostPrefix()); err != nil {
		return err
	}
	return addDefaultRoute(l.plan.serverRouter())
}

// plugs returns the router's devices.
func (p *plan) plugs() []string {
	var list []string
	for _, n := range p.networks {
		list = append(list, n.bridge())
		for _, e := range n.ends {
			list = append(list, e.plug)
		}
	}
	return list
}
