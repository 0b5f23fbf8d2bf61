package neighbour

import "fulcrum/ports"

// MaxQueues is how many neighbours packets may wait for at the same time. Each has a queue of one
// burst.
const MaxQueues = 16

// Wait is what Hold did with a packet.
type Wait uint8

// The results of Hold.
const (
	Held        Wait = iota // it waits and belongs to the table
	QueueFull               // no queue is free, or its queue is full; it still belongs to the caller
	Unreachable             // its next hop did not answer recently; it still belongs to the caller
)

// Hold lets a packet wait for the MAC of a next hop without one. The caller sends the returned
// question, which is empty if the next hop has already been asked for. now is in ms.
func (t *Table) Hold(h Hop, p *ports.Packet, now uint32) (Wait, Question) {
	e := &t.entries[h]
	if e.Unreachable(now) {
		return Unreachable, Question{}
	}
	if !t.enqueue(e, p) {
		return QueueFull, Question{}
	}
	if e.state == Failed || e.tries == 0 {
		return Held, t.restart(h, now)
	}
	return Held, Question{}
}

func (t *Table) enqueue(e *Entry, p *ports.Packet) (ok bool) {
	if e.queue == 0 && !t.takeQueue(e) {
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

// takeQueue gives an entry an empty queue, which the entry keeps while packets are in it.
func (t *Table) takeQueue(e *Entry) bool {
	for i := range t.queues {
		if t.queues[i].N == 0 {
			e.queue = uint8(i + 1)
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
