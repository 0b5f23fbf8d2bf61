package bench

import "fulcrum/ports"

// backlogSize is how many answers wait while the device under test takes none, a power of two.
const backlogSize = 1024

// backlog is a queue of packets that are to be sent.
type backlog struct {
	packets    [backlogSize]ports.Packet
	head, tail uint32 // count up; their difference is the length
}

func (b *backlog) empty() bool { return b.head == b.tail }

// push adds a packet and reports whether there was room.
func (b *backlog) push(p *ports.Packet) bool {
	if b.tail-b.head == backlogSize {
		return false
	}
	b.packets[b.tail%backlogSize] = *p
	b.tail++
	return true
}

// drainTo moves packets to a burst, as many as it has room for.
func (b *backlog) drainTo(burst *ports.Burst) {
	for !b.empty() && !burst.Full() {
		burst.Push(&b.packets[b.head%backlogSize])
		b.head++
	}
}
