package engine

import (
	"net/netip"
	"slices"

	"fulcrum/lvs"
	"fulcrum/packet"
)

// SetHostVIPs tells which addresses host interfaces hold that are no port's own. Those that are
// VIPs are served as ever; what comes for their other ports is the host's. Any goroutine may call
// it.
func (e *Engine) SetHostVIPs(all []netip.Addr) {
	held := slices.Clone(all)
	slices.SortFunc(held, netip.Addr.Compare)
	e.hostVIPs.Store(&held)
}

// hostOn reports whether a port has a host interface.
func (w *Worker) hostOn(port uint16) bool { return w.link != nil && w.snap.ports[port].host }

// hostHolds reports whether the host has one of the director's addresses besides the director: the
// port's own, or one that it was given.
func (w *Worker) hostHolds(port uint16, a packet.Addr) bool {
	if w.snap.ports[port].owns(a) {
		return true
	}
	held := w.engine.hostVIPs.Load()
	if held == nil {
		return false
	}
	_, found := slices.BinarySearchFunc(*held, a.Netip(), netip.Addr.Compare)
	return found
}

// hostHas reports whether packets to an address of the director may be the host's: to an own
// address, or to a VIP that the host holds.
func (w *Worker) hostHas(port uint16, a packet.Addr) bool {
	kind, ours := w.snap.kindOf(a)
	return ours && (kind == ownAddress || kind.isVIP() && w.hostHolds(port, a))
}

// isHosts reports whether every packet at a port to an address is the host's: to an own one that no
// service claims or has claimed lately, so that no session can have it.
func (w *Worker) isHosts(port uint16, a packet.Addr) bool {
	if !w.hostOn(port) {
		return false
	}
	kind, ours := w.snap.kindOf(a)
	return ours && kind == ownAddress && !w.snap.mayHaveSessions(a)
}

// mayHaveSessions reports whether an own address that is no single VIP may have sessions of a
// service all the same.
func (n *snapshot) mayHaveSessions(own packet.Addr) (may bool) {
	if n.leaving.used != 0 {
		return true
	}
	if n.ranges == nil {
		return false
	}
	n.ranges.leaving.Covering(own, func(lvs.Owner) bool { may = true; return false })
	return may || n.ranges.vips.Has(own)
}

// unservedAt returns the verdict about a packet to a VIP that has no service for it.
func (w *Worker) unservedAt(port uint16, vip packet.Addr) Verdict {
	if w.hostOn(port) && w.hostHolds(port, vip) {
		return DropToHost
	}
	return DropNoService
}

// hostFragment returns the verdict about a fragment that no session can have, and that waits for no
// other: the host puts its datagrams together itself.
func (w *Worker) hostFragment(port uint16, dst packet.Addr) (v Verdict, taken bool) {
	switch {
	case w.isHosts(port, dst):
		return DropToHost, true
	case dst.IsMulticast() && w.hostOn(port):
		return DropNotOurs, true
	}
	return Taken, false
}
