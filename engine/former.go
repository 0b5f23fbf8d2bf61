package engine

import (
	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/steer"
)

// A change of mode or of routes may give flows to other workers than before. Sessions stay where
// they are. So while such sessions exist (snapshot.moving), a packet without session at its
// receiver goes to the worker that owned its flow by the former rule, and from there to the present
// owner, which begins a session if there is none. keep.go finds out when the last of them has
// ended.

// noWorker stands in place of a worker's number.
const noWorker = -2

// whose returns the worker to which a packet without session here is to go next; this worker's
// number if it is to be handled here. owner is its owner by the present rule.
func (w *Worker) whose(p *ports.Packet, k *packet.Key, owner int) int {
	if !w.snap.moving {
		if owner == steer.Receiver {
			return w.number
		}
		return owner
	}
	if former := w.formerOwner(p, k); former != noWorker {
		return former
	}
	return w.present(p, k, owner)
}

// present returns the owner of a packet by the present rule. A receiver that has asked another
// worker gets its packet back: the device's hash tells who it was.
func (w *Worker) present(p *ports.Packet, k *packet.Key, owner int) int {
	if owner == steer.Receiver {
		queue, told := w.engine.steering.Queue(p.Port, k)
		if p.Handovers == 0 || !told {
			return w.number
		}
		owner = queue
	}
	if p.Handovers > w.mostHandovers() { // workers differ about the present rule
		return w.number
	}
	return owner
}

// mostHandovers returns how often a flow may change hands: once for each port and former rule, and
// once more to its present owner.
func (w *Worker) mostHandovers() uint32 { return uint32(len(w.queues) + 1) }

// formerOwner returns another worker that may have a packet's session by a former rule, or
// noWorker.
func (w *Worker) formerOwner(p *ports.Packet, k *packet.Key) int {
	service, ok := w.snap.serviceAt(k.Dst, k.DstPort, k.Protocol)
	if kind, ours := w.snap.kindOf(k.Dst); !ok && ours && kind.isLocal() {
		if w.snap.rerouted {
			return w.answerOwnerElsewhere(p, k)
		}
		return noWorker
	}
	asked := p.Handovers != 0
	if home, strays := w.snap.strays.home(k); strays {
		if !asked && home != w.number {
			return home
		}
		asked = p.Handovers > 1 || home != w.number // this worker is the one that was asked first
	}
	if ok && service.former && !asked {
		return w.other(w.clientOwner(p.Port, k, service.owner.Other()))
	}
	return noWorker
}

// clientOwner returns the owner of a client's packet, which is never steer.Receiver.
func (w *Worker) clientOwner(port uint16, k *packet.Key, owner lvs.Owner) int {
	s := &w.engine.steering
	if of := s.FromClient(port, k, owner); of != steer.Receiver {
		return of
	}
	queue, _ := s.Queue(port, k) // it tells, since the receiver owns the flow
	return queue
}

// answerOwnerElsewhere returns the next worker that would own a real server's answer if it came in
// at another port. Each worker that has had the packet has gone one port further.
func (w *Worker) answerOwnerElsewhere(p *ports.Packet, k *packet.Key) int {
	for port := int(p.Handovers); port < len(w.queues); port++ {
		o := w.engine.steering.LocalOwner(uint16(port), *k)
		if to := w.other(o.Of(k.DstPort)); to != noWorker {
			return to
		}
	}
	return noWorker
}

// other returns a worker's number, or noWorker for this worker.
func (w *Worker) other(number int) int {
	if number == w.number {
		return noWorker
	}
	return number
}
