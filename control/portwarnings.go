package control

import "fmt"

// PortWarning is something about a port that needs attention.
type PortWarning struct {
	Port    string `json:"port"`
	Warning string `json:"warning"`
}

// PortWarnings returns what needs attention, in the order of the ports.
func (r *Report) PortWarnings() []PortWarning {
	all := []PortWarning{} // JSON shows an empty list, not null
	for _, p := range r.Ports {
		switch {
		case p.Gone:
			all = append(all, PortWarning{p.Name, "its network interface is gone"})
		case !p.Up:
			all = append(all, PortWarning{p.Name, "the link is down"})
		}
		if p.loweredMTU() {
			all = append(all, PortWarning{p.Name, LoweredMTUWarning(p.InterfaceMTU, p.MTU)})
		}
		if p.Host != nil && !p.Host.Up {
			all = append(all, PortWarning{p.Name, HostDownWarning(p.Host.Name)})
		}
		if p.Renamed != "" {
			all = append(all, PortWarning{p.Name, RenamedWarning(p.Renamed)})
		}
		if p.Oversized > 0 {
			all = append(all, PortWarning{p.Name, OversizedWarning(p.Oversized)})
		}
		for _, why := range p.KernelAnswers {
			all = append(all, PortWarning{p.Name, KernelWarning(why)})
		}
	}
	for i := range r.Hosts {
		if h := &r.Hosts[i]; h.Warning != "" {
			all = append(all, PortWarning{h.Port, h.Warning})
		}
	}
	return all
}

// OversizedWarning says what packets longer than the MTU mean, and what to do about them.
func OversizedWarning(packets uint64) string {
	return fmt.Sprintf("%d packets longer than the MTU; switch off the senders' offloads: "+
		"ethtool -K DEV tx off tso off gso off, and gro off on the port's interface", packets)
}

// loweredMTU reports whether the kernel takes no packets of the port's own MTU.
func (p *PortReport) loweredMTU() bool { return p.InterfaceMTU > 0 && p.InterfaceMTU < p.MTU }

// LoweredMTUWarning says what an interface with a smaller MTU than the port's means, both in bytes,
// and what to do about it.
func LoweredMTUWarning(lowered, mtu int) string {
	return fmt.Sprintf("the interface's MTU was lowered to %d, and the port's is %d: longer packets are "+
		"lost; raise it again, or start the director anew to use it", lowered, mtu)
}

// HostDownWarning says that a port's host interface is not as the director had set it up.
func HostDownWarning(name string) string {
	return fmt.Sprintf("its host interface %s is down or gone, and the host gets nothing: "+
		"ip link set %s up", name, name)
}

// RenamedWarning says what the new name of a port's network interface means.
func RenamedWarning(name string) string {
	return fmt.Sprintf("its network interface is renamed to %s; name it so in the port's device "+
		"before the director starts again", name)
}
