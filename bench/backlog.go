package bench

import "fulcrum/ports"

// backlogSize is the number of answers that wait while the device under test takes none, a power of
// two.
const backlogSize = 1024

// backlog is a queue of packets to send.
type backlog struct {
	packets    [backlogSize]ports.Packet
	head, tail uint32 // count up; their difference is the length
}

func (b *backlog) empty() bool { return b.head == b.tail }

// push adds a packet and reports whether there was space.
func (b *backlog) push(p *ports.Packet) bool {
	if b.tail-b.head == backlogSize {
		return false
	}
	b.packets[b.tail%backlogSize] = *p
	b.tail++
	return true
}

// drainTo moves packets to a burst until it is full.
func (b *backlog) drainTo(burst *ports.Burst) {
	for !b.empty() && !burst.Full() {
		burst.Push(&b.packets[b.head%backlogSize])
		b.head++
	}
}
