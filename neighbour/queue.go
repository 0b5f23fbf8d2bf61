package neighbour

import "fulcrum/ports"

// How many neighbours packets may wait for at the same time. Each has a queue of one burst.
const (
	MaxQueues = 16
	// StrangerQueues is how many of the queues strangers may have. The others are for gateways and
	// real servers.
	StrangerQueues = 8
)

// Wait is what Hold did with a packet.
type Wait uint8

// The results of Hold.
const (
	Held        Wait = iota // it waits and belongs to the table
	QueueFull               // no queue is free, or its queue is full; it still belongs to the caller
	Unreachable             // its next hop did not answer recently; it still belongs to the caller
)

// Hold lets a packet wait for the MAC of a next hop without one. The caller sends the returned
// question, which is empty if the next hop has already been asked for. The next hop is asked for
// even if the packet cannot wait. now is in ms.
func (t *Table) Hold(h Hop, p *ports.Packet, now uint32) (Wait, Question) {
	e := &t.entries[h]
	ask := (e.state == Failed || e.tries == 0) && !e.Unreachable(now) && t.mayAskFirst(e)
	if e.state == Failed && !ask {
		return Unreachable, Question{} // it waits for nothing
	}
	wait := Held
	if !t.enqueue(h, p) {
		wait = QueueFull
	}
	if ask {
		return wait, t.restart(h, now)
	}
	return wait, Question{}
}

func (t *Table) enqueue(h Hop, p *ports.Packet) (ok bool) {
	e := &t.entries[h]
	if e.queue == 0 && !t.takeQueue(h) {
		return false
	}
	q := &t.queues[e.queue-1]
	if q.Full() {
		return false
	}
	q.Push(p)
	t.held++
	return true
}

// takeQueue gives an entry an empty queue, which the entry keeps while packets are in it. Entries
// of the configuration take those first that no stranger may have.
func (t *Table) takeQueue(h Hop) bool {
	e := &t.entries[h]
	most := StrangerQueues
	if e.kept() {
		most = MaxQueues
	}
	for i := most - 1; i >= 0; i-- {
		if t.queues[i].N == 0 {
			e.queue = uint8(i + 1)
			t.settle(h)
			return true
		}
	}
	return false
}

// Take gives the packets that waited for a next hop back to the caller. The slice is valid until
// the next Hold.
func (t *Table) Take(h Hop) []ports.Packet {
	e := &t.entries[h]
	if e.queue == 0 {
		return nil
	}
	q := &t.queues[e.queue-1]
	waited := q.Slice()
	e.queue, q.N = 0, 0
	t.held -= len(waited)
	t.settle(h)
	return waited
}

// Held returns how many packets wait.
func (t *Table) Held() int { return t.held }

// Waiting returns how many packets wait for a next hop.
func (t *Table) Waiting(h Hop) int {
	if q := t.entries[h].queue; q != 0 {
		return t.queues[q-1].N
	}
	return 0
}
