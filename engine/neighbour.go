package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// Times and bounds of neighbour resolution. The times are RFC 4861's (section 10) and the kernel's defaults.
const (
	neighbourReachable = 30_000  // ms after which a neighbour in use is asked again
	neighbourForget    = 600_000 // ms after which one that nobody needs is forgotten
	neighbourRetry     = 1_000   // ms between questions
	neighbourTries     = 3       // questions without an answer until it has failed
	neighbourTick      = 100     // ms between looks at the table
	neighbourChunk     = 1024    // entries looked at per tick

	maxNeighbours = 1<<16 - 1 // a session holds a hop in 16 bits
	maxQueues     = 16        // neighbours for which packets may wait at the same time
)

// hop is the number of a neighbour in the table. Zero is none.
type hop uint16

// neighbourState is how far the resolution of a neighbour has come.
type neighbourState uint8

const (
	free       neighbourState = iota
	incomplete                // asked for, no answer yet: packets wait
	failed                    // nobody answered: packets are dropped until it is asked again
	reachable                 // its MAC is known
	probing                   // its MAC is known but old; it is being asked
	static                    // its MAC was configured
)

// neighbour is a station on a port's network.
type neighbour struct {
	address packet.Addr
	source  packet.Addr // the port's own address towards a pinned neighbour
	port    uint16
	mtu     uint16 // of the port
	state   neighbourState
	used    bool     // a packet went there since it was last confirmed
	pinned  bool     // a real server or gateway of the snapshot: never forgotten
	tries   uint8    // questions since the last answer
	queue   uint8    // index + 1 of the queue in which packets wait for it
	since   uint32   // ms: when it was confirmed (reachable) or last asked
	macs    [12]byte // destination and source, as an Ethernet header begins
}

// hasMAC reports whether packets can be sent.
func (n *neighbour) hasMAC() bool { return n.state >= reachable }

func (n *neighbour) mac() packet.MAC { return packet.MAC(n.macs[0:6]) }

// neighbourKey tells neighbours apart.
type neighbourKey struct {
	address packet.Addr
	port    uint16
}

// neighbourTable holds the neighbours that a worker knows and the packets that wait for them.
type neighbourTable struct {
	mtus    []uint16    // by port
	entries []neighbour // entries[0] is never used
	index   map[neighbourKey]hop
	unused  []hop // given back
	queues  [maxQueues]ports.Burst
	waiting int // packets in queues
	// unanswered counts neighbours that were given up.
	unanswered uint64
	next       int // where the next tick goes on
	last       uint32
}

func newNeighbourTable(devices []ports.Port) neighbourTable {
	t := neighbourTable{entries: make([]neighbour, 1, 256), index: map[neighbourKey]hop{}}
	for _, d := range devices {
		t.mtus = append(t.mtus, uint16(min(d.MTU(), 1<<16-1)))
	}
	return t
}

// find returns the hop of an address on a port, as a new incomplete entry if there is none; ok is
// false when the table is full.
func (t *neighbourTable) find(address packet.Addr, port uint16, now uint32) (h hop, ok bool) {
	k := neighbourKey{address, port}
	if h, ok := t.index[k]; ok {
		return h, true
	}
	if len(t.unused) > 0 {
		h = t.unused[len(t.unused)-1]
		t.unused = t.unused[:len(t.unused)-1]
	} else if len(t.entries) <= maxNeighbours {
		h = hop(len(t.entries))
		t.entries = append(t.entries, neighbour{})
	} else {
		return 0, false
	}
	// since lies in the past, so that the first question need not wait.
	t.entries[h] = neighbour{address: address, port: port, mtu: t.mtus[port], state: incomplete, since: now - neighbourRetry}
	t.index[k] = h
	return h, true
}

// forget frees an entry that no packet waits for.
func (t *neighbourTable) forget(h hop) {
	n := &t.entries[h]
	delete(t.index, neighbourKey{n.address, n.port})
	*n = neighbour{}
	t.unused = append(t.unused, h)
}

// unbind takes back what a snapshot said of neighbours: a static one is now one to be asked for, and none is
// pinned.
func (t *neighbourTable) unbind() {
	for i := range t.entries {
		n := &t.entries[i]
		n.pinned = false
		if n.state == static {
			n.state, n.tries = incomplete, 0
		}
	}
}

// confirm notes a neighbour's MAC. src is the port's own.
func (n *neighbour) confirm(mac, src packet.MAC, now uint32) {
	if n.state == static {
		return
	}
	copy(n.macs[0:6], mac[:])
	copy(n.macs[6:12], src[:])
	n.state, n.since, n.tries, n.used = reachable, now, 0, false
}

// enqueue lets a packet wait; ok is false when there is no place.
func (t *neighbourTable) enqueue(n *neighbour, p *ports.Packet) (ok bool) {
	if n.queue == 0 && !t.takeQueue(n) {
		return false
	}
	q := &t.queues[n.queue-1]
	if q.Full() {
		return false
	}
	q.Push(p)
	t.waiting++
	return true
}

// takeQueue gives a neighbour one of the empty queues. A queue belongs to a neighbour as long as packets are in it.
func (t *neighbourTable) takeQueue(n *neighbour) bool {
	for i := range t.queues {
		if t.queues[i].N == 0 {
			n.queue = uint8(i + 1)
			return true
		}
	}
	return false
}

// dequeue returns the packets that waited for n. They are valid until the next enqueue.
func (t *neighbourTable) dequeue(n *neighbour) []ports.Packet {
	if n.queue == 0 {
		return nil
	}
	q := &t.queues[n.queue-1]
	waited := q.Slice()
	n.queue, q.N = 0, 0
	t.waiting -= len(waited)
	return waited
}
