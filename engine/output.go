package engine

import (
	"fulcrum/neighbour"
	"fulcrum/ports"
)

// hold queues a packet until its next hop's MAC is known, and sends the question for it.
func (w *Worker) hold(p *ports.Packet, h neighbour.Hop) {
	wait, question := w.neighbours.Hold(h, p, w.now)
	switch wait {
	case neighbour.QueueFull:
		w.drop(p, DropNeighbourQueueFull)
	case neighbour.Unreachable:
		w.drop(p, DropNeighbourFailed)
	}
	w.ask(question)
}

// transmit writes the Ethernet addresses and adds the packet to its port's output.
func (w *Worker) transmit(p *ports.Packet, n *neighbour.Entry) {
	*(*[12]byte)(p.Bytes()) = n.MACs
	w.output(p, int(n.Port))
}

// output adds a finished frame to a port's output.
func (w *Worker) output(p *ports.Packet, port int) {
	out := &w.out[port]
	if out.Full() {
		w.exchange(port, nil)
		if out.Full() {
			w.drop(p, DropTxFull)
			return
		}
	}
	out.Push(p)
}

// answer sends a packet back through the port where it came in. The answer counts as originated,
// and the received packet is counted under why.
func (w *Worker) answer(p *ports.Packet, why Verdict) Verdict {
	w.count(why)
	w.counters.totals.Originated++
	w.output(p, int(p.Port))
	return Taken
}

// originate makes a frame in a port's output and returns its bytes, which the caller fills at once.
// It returns nil without a free buffer.
func (w *Worker) originate(port, length int) []byte {
	out := &w.out[port]
	if out.Full() {
		w.exchange(port, nil)
	}
	if !w.queues[port].Alloc(out, length) {
		return nil
	}
	w.counters.totals.Originated++
	return out.Packets[out.N-1].Bytes()
}

// drop frees a packet and counts the reason.
func (w *Worker) drop(p *ports.Packet, why Verdict) {
	if w.tap != nil {
		w.tap.dropped(p, why)
	}
	w.count(why)
	if w.freed.Full() {
		w.queues[0].Exchange(nil, &w.freed, nil)
	}
	w.freed.Push(p)
}

func (w *Worker) count(v Verdict) {
	switch v {
	case Consumed:
		w.counters.totals.Consumed++
	case HandedToHost:
		w.counters.totals.ToHost++
	default:
		w.counters.totals.Drops[v]++
	}
}

// exchange calls a port's driver once: it sends the output, frees dropped packets, and receives.
func (w *Worker) exchange(port int, rx *ports.Burst) {
	out := &w.out[port]
	if rx != nil && !w.receives[port] {
		rx.N, rx = 0, nil
	}
	before := out.N
	if w.tap != nil {
		w.tap.leaving(port, out)
	}
	w.queues[port].Exchange(out, &w.freed, rx)
	if w.tap != nil {
		w.tap.exchanged(port, out, rx)
	}
	sent := uint64(before - out.N)
	w.counters.totals.Transmitted += sent
	w.counters.ports[port].Transmitted += sent
	if rx != nil {
		w.counters.totals.Received += uint64(rx.N)
		w.counters.ports[port].Received += uint64(rx.N)
	}
}
