package engine

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/ports/memory"
)

// spring is a queue that brings a full burst whenever it is asked, each packet of another of its
// flows, as long as it has buffers. It gets those of packets that are sent or freed.
type spring struct {
	buffers []ports.Packet // free ones, of whatever packet
	frame   []byte
	next    uint32 // flow of the next packet
	flows   uint32
	first   uint32 // client of flow 0
	step    uint32 // between the clients of flows
	_       [128]byte
}

// springs is a port with a spring for each worker. It says that it spreads packets by their flow,
// as a NIC does.
type springs struct {
	*memory.Port
	queues []*spring
}

func (s springs) Queue(i int) ports.Queue { return s.queues[i] }

// Exchange sends, frees and receives (ports.Queue).
func (s *spring) Exchange(tx, free, rx *ports.Burst) {
	for _, b := range [...]*ports.Burst{tx, free} {
		if b != nil {
			s.buffers = append(s.buffers, b.Slice()...)
			b.N = 0
		}
	}
	if rx != nil {
		s.receive(rx)
	}
}

// stride is a prime far from one: a walk in such strides meets all flows, and looks random.
const stride = 2654435761

func (s *spring) receive(rx *ports.Burst) {
	left := max(len(s.buffers)-ports.MaxBurst, 0)
	rx.N = copy(rx.Packets[:], s.buffers[left:])
	s.buffers = s.buffers[:left]
	for i := range rx.Slice() {
		p := &rx.Packets[i]
		p.Offset, p.Length, p.Handovers = ports.Headroom, uint16(len(s.frame)), 0
		copy(p.Bytes(), s.frame)
		s.next = (s.next + stride%s.flows) % s.flows
		setClient(p.Bytes(), s.first+s.step*s.next)
	}
}

// Alloc has no buffers (ports.Queue).
func (s *spring) Alloc(*ports.Burst, int) bool { return false }

// workersCase is the work of each of some workers.
type workersCase struct {
	mode  modes.Mode
	fresh bool // each packet is the first of its flow
	flows int  // of each worker
}

func (c workersCase) String() string {
	if c.fresh {
		return c.mode.String() + "/new"
	}
	return fmt.Sprintf("%s/hit/%d", c.mode, c.flows)
}

// BenchmarkWorkers turns one worker, and two at the same time, each with full bursts of its own
// queue. The time is that of one packet at one worker. With two it is the same if they do not
// disturb each other. "alone" is a loop that touches no memory: what two CPUs of this machine cost
// each other in any case. In nat, with one port, half of the packets belong to the other worker and
// are handed over.
func BenchmarkWorkers(b *testing.B) {
	for _, n := range []int{1, 2} {
		b.Run(fmt.Sprintf("alone/%d", n), func(b *testing.B) {
			together(b, n, func(int) { spin(b.N) })
		})
	}
	for _, mode := range []modes.Mode{modes.DR, modes.FullNAT, modes.NAT} {
		for _, c := range []workersCase{
			{mode, false, 1000}, {mode, false, 500_000}, {mode, true, 1 << 20},
		} {
			for _, n := range []int{1, 2} {
				b.Run(fmt.Sprintf("%v/%d", c, n), func(b *testing.B) { c.run(b, n) })
			}
		}
	}
}

// together calls f for n workers at the same time, each on a thread and a CPU of its own.
func together(b *testing.B, n int, f func(worker int)) {
	b.Helper()
	var working sync.WaitGroup
	for i := range n {
		working.Go(func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the worker
			if err := pin(i); err != nil {
				b.Error(err)
				return
			}
			f(i)
		})
	}
	working.Wait()
}

// spin computes, a nanosecond or so for each round.
func spin(rounds int) {
	x := uint64(rounds)
	for range rounds {
		x = x*0xd1342543de82ef95 + 1
	}
	runtime.KeepAlive(x)
}

// run measures n workers.
func (c workersCase) run(b *testing.B, n int) {
	e := c.engine(b, n)
	warm := 4 * c.flows
	if c.fresh {
		warm = 1 << 18 // until as many sessions end as begin
	}
	turnAll(b, e, warm)
	b.ResetTimer()
	turnAll(b, e, b.N)
	b.StopTimer()
	c.check(b, e)
}

// turnAll turns all workers until they have received so many packets each, on average, and none
// before the others, which may wait for it. The time goes on by 1 ms every four turns.
func turnAll(b *testing.B, e *Engine, packets int) {
	b.Helper()
	const share = 16 * ports.MaxBurst // that a worker receives before it tells the others
	var left atomic.Int64
	left.Store(int64(packets * len(e.workers)))
	together(b, len(e.workers), func(i int) {
		w := e.workers[i]
		told := w.counters.totals.Received
		for turn := uint32(0); left.Load() > 0; turn++ {
			w.Turn(w.now + turn&3/3)
			w.waitForOthers(&idler{})
			if n := w.counters.totals.Received - told; n >= share {
				told += n
				left.Add(-int64(n))
			}
		}
	})
}

// engine makes a director with a spring for each worker.
func (c workersCase) engine(b *testing.B, n int) *Engine {
	b.Helper()
	s := millSettings(c.mode)
	s.Timeouts = conntrack.DefaultTimeouts()
	if c.fresh {
		s.Timeouts[conntrack.UDP] = 100 // ms
	}
	port := newSprings(b, n, c.flows, c.mode.Owner() == lvs.ClientEnd)
	e, err := New(Config{
		Ports: []ports.Port{port}, CPUs: make([]int, n), Sessions: n * max(c.flows*5/4, 1<<18), Seed: 1,
		Huge: true,
	}, s)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	})
	return e
}

// newSprings makes a port. Packets that are handed over are under way for longer, so that more
// buffers are needed.
func newSprings(b *testing.B, n, flows int, handedOver bool) springs {
	b.Helper()
	buffers := 2 * ports.MaxBurst
	if handedOver && n > 1 {
		buffers = 2 * handoffSize
	}
	pool, err := memory.NewPool(n * buffers)
	if err != nil {
		b.Fatal(err)
	}
	mac := packet.MAC{2, 0, 0, 0, 0, 1}
	var nic bedConfig
	spreading(b, n, byFlow)(&nic)
	p := springs{Port: memory.NewPort(memory.Config{
		Name: "wire", MAC: mac, Pool: pool, Queues: n, RSS: nic.rss(0),
	})}
	for i := range n {
		q := &spring{
			buffers: make([]ports.Packet, 0, n*buffers), frame: udpFrame(mac), flows: uint32(flows),
			first: uint32(i), step: uint32(n),
		}
		for range buffers {
			var one ports.Burst
			if !p.Port.Queue(i).Alloc(&one, len(q.frame)) {
				b.Fatal("no buffer")
			}
			q.buffers = append(q.buffers, one.Packets[0])
		}
		p.queues = append(p.queues, q)
	}
	return p
}

// check wants almost all packets to have passed. A worker that waits for its CPU leaves what others
// hand over to it.
func (c workersCase) check(b *testing.B, e *Engine) {
	b.Helper()
	lost := map[string]uint64{}
	var received, dropped uint64
	for _, w := range e.workers {
		received += w.counters.totals.Received
		for v, n := range w.counters.totals.Drops {
			if n > 0 {
				lost[Verdict(v).String()] += n
				dropped += n
			}
		}
	}
	if dropped > received/20 {
		b.Errorf("of %d packets these were dropped: %v", received, lost)
	}
}
