package engine

import "fulcrum/packet"

// tickNeighbours asks again, gives up and forgets. It looks at a bounded number of neighbours.
func (w *Worker) tickNeighbours() {
	t := &w.neighbours
	if w.now-t.last < neighbourTick {
		return
	}
	t.last = w.now
	for range min(neighbourChunk, len(t.entries)) {
		if t.next >= len(t.entries) {
			t.next = 1
			if len(t.entries) == 1 {
				return
			}
		}
		w.age(hop(t.next))
		t.next++
	}
}

// age does what is due for one neighbour.
func (w *Worker) age(h hop) {
	n := &w.neighbours.entries[h]
	elapsed := w.now - n.since
	switch n.state {
	case reachable:
		// One worker after the other, so that the first to ask has told the others before they would.
		if elapsed >= neighbourReachable+uint32(w.number)*neighbourRetry && (n.used || n.pinned) {
			n.state = probing
			w.ask(h)
		} else if elapsed >= neighbourForget && !n.pinned {
			w.neighbours.forget(h)
		}
	case incomplete, probing:
		if elapsed >= neighbourRetry {
			w.askAgain(h)
		}
	case failed:
		if elapsed >= neighbourForget && !n.pinned {
			w.neighbours.forget(h)
		} else if elapsed >= neighbourRetry && n.pinned {
			w.restart(h)
		}
	}
}

// askAgain repeats the question or gives up: a neighbour whose MAC had been known is looked for by everybody first, in
// case it has moved.
func (w *Worker) askAgain(h hop) {
	n := &w.neighbours.entries[h]
	if n.tries < neighbourTries {
		w.ask(h)
		return
	}
	if n.state == probing {
		w.restart(h)
		return
	}
	n.state, n.since, n.used = failed, w.now, false
	w.neighbours.unanswered++
	w.dropWaiting(n, DropNeighbourFailed)
}

// restart begins the resolution anew.
func (w *Worker) restart(h hop) {
	n := &w.neighbours.entries[h]
	n.state, n.tries = incomplete, 0
	w.ask(h)
}

// ask sends an ARP request or a neighbour solicitation: to the known MAC of a neighbour that is probed, else to everybody.
func (w *Worker) ask(h hop) {
	n := &w.neighbours.entries[h]
	n.tries++
	n.since = w.now
	var to packet.MAC
	if n.state == probing {
		to = n.mac()
	}
	if !n.address.Is4() {
		w.solicit(int(n.port), to, n.address)
		return
	}
	if to.IsZero() {
		to = packet.Broadcast
	}
	w.sendARP(int(n.port), to, packet.ARPFields{
		Op:        packet.ARPRequest,
		SenderMAC: w.snap.ports[n.port].mac,
		SenderIP:  w.snap.ports[n.port].sourceTowards(n.address).V4(),
		TargetIP:  n.address.V4(),
	})
}

// learn notes the MAC of a station, from ARP that it sent, and sends on what waited for it.
func (w *Worker) learn(h hop, mac packet.MAC) {
	n := &w.neighbours.entries[h]
	n.confirm(mac, w.snap.ports[n.port].mac, w.now)
	waited := w.neighbours.dequeue(n)
	for i := range waited {
		w.transmit(&waited[i], n)
	}
}

func (w *Worker) dropWaiting(n *neighbour, why Verdict) {
	waited := w.neighbours.dequeue(n)
	for i := range waited {
		w.drop(&waited[i], why)
	}
}

// nextHop returns the neighbour through which an address is reached.
func (w *Worker) nextHop(address packet.Addr) (hop, Verdict) {
	gateway, port, ok := w.snap.routes.next(address)
	if !ok {
		return 0, DropNoRoute
	}
	h, ok := w.neighbours.find(gateway, port, w.now)
	if !ok {
		return 0, DropNeighboursFull
	}
	return h, Taken
}
