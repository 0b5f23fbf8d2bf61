package memory

import (
	"bytes"
	"sync"

	"fulcrum/ports"
)

// Config describes a Port.
type Config struct {
	Name   string
	Index  int     // its number among the director's ports
	MAC    [6]byte //
	MTU    int     // bytes; 0 is 1500
	Queues int     // 0 is 1
	Pool   *Pool   // where received packets come from
	// TxLimit is how many packets one Exchange sends at most, as a device with a full ring would; 0
	// is no limit.
	TxLimit int
	// RSS is how Receive spreads frames over the queues, as a NIC does.
	RSS *ports.RSS
	// Choose is a rule that the port does not tell, in the place of RSS: it names a frame's queue. Tests so bring packets
	// to the wrong worker.
	Choose func(frame []byte) int
}

// Port is a device whose wire is in the hands of a test.
type Port struct {
	cfg    Config
	queues []*queue
}

// NewPort makes a port.
func NewPort(cfg Config) *Port {
	cfg.MTU = orDefault(cfg.MTU, 1500)
	p := &Port{cfg: cfg}
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

func (p *Port) Name() string                   { return p.cfg.Name }
func (p *Port) Device() string                 { return "memory" }
func (p *Port) MAC() [6]byte                   { return p.cfg.MAC }
func (p *Port) MTU() int                       { return p.cfg.MTU }
func (p *Port) Queues() int                    { return len(p.queues) }
func (p *Port) Queue(i int) ports.Queue        { return p.queues[i] }
func (p *Port) RSS() *ports.RSS                { return p.cfg.RSS }
func (p *Port) Link() ports.Link               { return ports.Link{Up: true} }
func (p *Port) XStats() ([]ports.XStat, error) { return nil, nil }
func (p *Port) Notes() []string                { return nil }

// Stats counts what went through the queues.
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

// Close frees what nobody received or collected.
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

// Deliver puts a frame on the wire towards queue i and reports whether there was a buffer for it.
func (p *Port) Deliver(i int, frame []byte) bool {
	pkt, ok := p.cfg.Pool.get(len(frame))
	if !ok {
		return false
	}
	copy(pkt.Bytes(), frame)
	return p.DeliverPacket(i, pkt)
}

// DeliverPacket is Deliver for a packet whose flags the test wants to choose; a Queue's Alloc makes one.
func (p *Port) DeliverPacket(i int, pkt ports.Packet) bool {
	q := p.queues[i]
	pkt.Port, pkt.Queue = uint16(p.cfg.Index), uint16(i)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, pkt)
	return true
}

// Collect takes the frames that queue i sent since the last call, in order.
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

// Pending returns how many delivered frames no worker has received yet.
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
