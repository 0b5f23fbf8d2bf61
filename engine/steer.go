package engine

import (
	"fulcrum/packet"
	"fulcrum/steer"
)

// owner returns the worker that owns packets with a key from a port, or steer.Receiver. It looks up
// what the packet is; package steer has the rule. This worker drops a packet that belongs to no
// worker.
func (w *Worker) owner(port uint16, k *packet.Key) int {
	s := &w.engine.steering
	if service, ok := w.snap.serviceAt(k.Dst, k.DstPort, k.Protocol); ok {
		return s.FromClient(port, k, service.owner)
	}
	if kind, ours := w.snap.kindOf(k.Dst); ours {
		if kind.isLocal() {
			return w.answerOwner(k)
		}
		return w.ownerAfter(port, k)
	}
	if w.snap.fromServer(k) {
		return s.FromServer(k)
	}
	return w.ownerAfter(port, k)
}

// fromServer reports whether a packet comes from a real server whose answers find the client's
// worker.
func (n *snapshot) fromServer(k *packet.Key) bool {
	_, ok := n.clientEnds.get(socketKey(k.Src, k.SrcPort, k.Protocol))
	if !ok && n.anyPort {
		_, ok = n.clientEnds.get(socketKey(k.Src, 0, k.Protocol))
	}
	return ok
}

// ownerAfter is owner for a packet to where no service is. One that was there may have left
// sessions.
func (w *Worker) ownerAfter(port uint16, k *packet.Key) int {
	if was, ok := w.snap.leavingAt(k); ok {
		return w.engine.steering.FromClient(port, k, was)
	}
	return w.number
}

// answerOwner returns the owner of a real server's packet to a local address.
func (w *Worker) answerOwner(k *packet.Key) int {
	_, port, ok := w.snap.routes.next(k.Src)
	if !ok {
		return w.number
	}
	o := w.engine.steering.LocalOwner(port, *k)
	return o.Of(k.DstPort)
}

// probableOwner is owner for a flow without a packet at hand: the receiver is the worker that the
// device's hash would choose.
func (w *Worker) probableOwner(port uint16, k *packet.Key) int {
	owner := w.owner(port, k)
	if owner != steer.Receiver {
		return owner
	}
	if queue, ok := w.engine.steering.Queue(port, k); ok {
		return queue
	}
	return steer.Receiver
}
