package memory

import (
	"bytes"
	"sync"
	"sync/atomic"

	"fulcrum/ports"
)

// Config describes a Port.
type Config struct {
	Name   string  // as the operator would call it
	Index  int     // Packet.Port of the packets that it receives
	MAC    [6]byte // Ethernet address
	MTU    int     // bytes of an IP packet; default 1500
	Queues int     // default 1
	Pool   *Pool   // buffers of received and allocated packets

	// TxLimit is the maximum number of packets that one Exchange sends, as with a full ring.
	// 0 is no limit.
	TxLimit int

	// RxFlags are set on every packet that it receives.
	RxFlags ports.RxFlags

	// RSS is the rule by which Receive spreads frames over the queues. Without it, all frames
	// reach queue 0.
	RSS *ports.RSS

	// Choose returns the queue of a frame and takes precedence over RSS. Port.RSS does not
	// report it, so tests can send packets to the wrong worker.
	Choose func(frame []byte) int
}

// Port is a device that a test drives from the other end of the wire. It implements ports.Port.
type Port struct {
	cfg    Config
	queues []*queue
	link   atomic.Pointer[ports.Link]
}

// NewPort returns a started port.
func NewPort(cfg Config) *Port {
	cfg.MTU = orDefault(cfg.MTU, 1500)
	p := &Port{cfg: cfg}
	p.SetLink(ports.Link{Up: true})
	for i := range orDefault(cfg.Queues, 1) {
		p.queues = append(p.queues, &queue{port: p, index: i})
	}
	return p
}

func orDefault(v, otherwise int) int {
	if v == 0 {
		return otherwise
	}
	return v
}

// Name returns Config.Name.
func (p *Port) Name() string { return p.cfg.Name }

// Device returns "memory".
func (p *Port) Device() string { return "memory" }

// MAC returns Config.MAC.
func (p *Port) MAC() [6]byte { return p.cfg.MAC }

// MTU returns the MTU in bytes.
func (p *Port) MTU() int { return p.cfg.MTU }

// Queues returns the number of queues.
func (p *Port) Queues() int { return len(p.queues) }

// Queue returns queue i, which is a ports.Source.
func (p *Port) Queue(i int) ports.Queue { return p.queues[i] }

// RSS returns Config.RSS.
func (p *Port) RSS() *ports.RSS { return p.cfg.RSS }

// Link returns a link that is up, unless SetLink has said otherwise.
func (p *Port) Link() ports.Link { return *p.link.Load() }

// SetLink changes the state of the link. Packets pass in any case.
func (p *Port) SetLink(l ports.Link) { p.link.Store(&l) }

// XStats returns nothing.
func (p *Port) XStats() ([]ports.XStat, error) { return nil, nil }

// Notes returns nothing.
func (p *Port) Notes() []string { return nil }

// Stats counts the packets that workers received and sent.
func (p *Port) Stats() (ports.Stats, error) {
	var s ports.Stats
	for _, q := range p.queues {
		q.mu.Lock()
		s.RxPackets += q.received
		s.TxPackets += q.sent
		q.mu.Unlock()
	}
	return s, nil
}

// Close frees all frames that were not received or collected.
func (p *Port) Close() error {
	for i, q := range p.queues {
		q.mu.Lock()
		waiting := q.waiting
		q.waiting = nil
		q.mu.Unlock()
		for _, pkt := range waiting {
			put(pkt.Handle)
		}
		p.Collect(i)
	}
	return nil
}

// Deliver puts a frame on queue i. It returns false if no buffer is free or the frame is too long.
func (p *Port) Deliver(i int, frame []byte) bool {
	pkt, ok := p.cfg.Pool.get(len(frame))
	if !ok {
		return false
	}
	copy(pkt.Bytes(), frame)
	return p.DeliverPacket(i, pkt)
}

// DeliverPacket is Deliver for a packet with flags that the test chooses. The packet comes from a
// Queue's Alloc.
func (p *Port) DeliverPacket(i int, pkt ports.Packet) bool {
	q := p.queues[i]
	pkt.Port, pkt.Queue = uint16(p.cfg.Index), uint16(i)
	pkt.RxFlags |= p.cfg.RxFlags
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, pkt)
	return true
}

// Collect returns the frames that queue i has sent since the last call, in order.
func (p *Port) Collect(i int) [][]byte {
	q := p.queues[i]
	q.mu.Lock()
	out := q.out
	q.out = nil
	q.mu.Unlock()
	var frames [][]byte
	for _, pkt := range out {
		frames = append(frames, bytes.Clone(pkt.Bytes()))
		put(pkt.Handle)
	}
	return frames
}

// Pending returns the number of delivered frames that no worker has received.
func (p *Port) Pending() int {
	n := 0
	for _, q := range p.queues {
		q.mu.Lock()
		n += len(q.waiting)
		q.mu.Unlock()
	}
	return n
}

var _ ports.Source = (*queue)(nil)

type queue struct {
	port  *Port
	index int

	mu       sync.Mutex
	waiting  []ports.Packet // towards the worker
	out      []ports.Packet // sent by the worker
	received uint64
	sent     uint64
}

func (q *queue) Exchange(tx, free, rx *ports.Burst) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if tx != nil {
		q.transmit(tx)
	}
	if free != nil {
		q.free(free)
	}
	if rx != nil {
		q.receive(rx)
	}
}

func (q *queue) transmit(b *ports.Burst) {
	n := b.N
	if limit := q.port.cfg.TxLimit; limit > 0 {
		n = min(n, limit)
	}
	q.out = append(q.out, b.Packets[:n]...)
	q.sent += uint64(n)
	b.Consume(n)
}

func (q *queue) free(b *ports.Burst) {
	for i := range b.Slice() {
		put(b.Packets[i].Handle)
	}
	b.N = 0
}

func (q *queue) receive(b *ports.Burst) {
	b.N = copy(b.Packets[:], q.waiting)
	q.waiting = q.waiting[b.N:]
	q.received += uint64(b.N)
}

func (q *queue) Alloc(b *ports.Burst, length int) bool {
	pkt, ok := q.port.cfg.Pool.get(length)
	if !ok || b.Full() {
		if ok {
			put(pkt.Handle)
		}
		return false
	}
	pkt.Port, pkt.Queue = uint16(q.port.cfg.Index), uint16(q.index)
	b.Push(&pkt)
	return true
}

// AllocBurst is Alloc for n packets.
func (q *queue) AllocBurst(b *ports.Burst, n, length int) bool {
	before := b.N
	if n < 1 || before+n > ports.MaxBurst {
		return false
	}
	for range n {
		if !q.Alloc(b, length) {
			for i := before; i < b.N; i++ {
				put(b.Packets[i].Handle)
			}
			b.N = before
			return false
		}
	}
	return true
}
