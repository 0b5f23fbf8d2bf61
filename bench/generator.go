package bench

import (
	"errors"
	"sync/atomic"
	"time"

	"fulcrum/packet"
	"fulcrum/ports"
)

// Generator sends and receives over one queue, on the calling goroutine. The caller should lock it
// to a thread with a CPU of its own.
type Generator struct {
	site  Site
	queue ports.Source
	stop  *atomic.Bool
	base  time.Time
	// After this time without an arrival, all packets on their way are lost.
	quiet time.Duration

	frame  template
	source source
	mark   uint32
	answer bool

	tx, answers, rx, free, own ports.Burst
	backlog                    backlog
	count                      counts
}

// counts are the counts of one phase.
type counts struct {
	refused, sent, forwarded, answers, withheld, returned, foreign uint64
	oneWay, roundTrip                                              Histogram
}

// arrived returns the number of packets that have come back, in both directions.
func (c *counts) arrived() uint64 { return c.forwarded + c.returned }

// NewGenerator returns a generator on a queue. Setting stop soon ends whatever the generator does.
func NewGenerator(site Site, queue ports.Source, stop *atomic.Bool) (*Generator, error) {
	if err := site.Validate(); err != nil {
		return nil, err
	}
	return &Generator{site: site, queue: queue, stop: stop, base: time.Now(), quiet: usualQuiet}, nil
}

// ErrStopped says that a trial ended before its time.
var ErrStopped = errors.New("the generator was stopped")

// Run runs a trial.
func (g *Generator) Run(t Trial) (Result, error) {
	if err := t.Validate(); err != nil {
		return Result{}, err
	}
	r := Result{Trial: t}
	g.frame = newTemplate(&g.site, t.Kind.Protocol(), t.Size)
	g.answer = t.Answer
	if t.Create {
		g.create(t, &r)
	}
	g.source = newSource(t.Kind, uint32(t.Flows))
	if t.Warmup > 0 {
		g.begin()
		p := newPace(t.Rate)
		g.send(&p, time.Duration(t.Warmup))
		g.drain()
	}
	g.begin()
	g.measure(t, &r)
	if g.stop.Load() {
		return r, ErrStopped
	}
	return r, nil
}

// begin resets the counts. Packets sent from now on have another mark than those sent before.
func (g *Generator) begin() {
	g.mark = mark | (g.mark+1)&0xff
	g.count = counts{}
}

// measure sends for the trial's duration, and waits for packets that are still on their way.
func (g *Generator) measure(t Trial, r *Result) {
	p, c := newPace(t.Rate), &g.count
	r.Seconds = g.send(&p, time.Duration(t.Duration)).Seconds()
	r.ForwardedInTime, r.ReturnedInTime = c.forwarded, c.returned
	g.drain()
	r.Offered, r.Missed, r.Refused = c.sent+c.refused+p.missed, p.missed, c.refused
	r.Sent, r.Forwarded, r.Foreign = c.sent, c.forwarded, c.foreign
	r.Answers, r.Withheld, r.Returned = c.answers, c.withheld, c.returned
	r.OneWay, r.RoundTrip = c.oneWay.Latency(), c.roundTrip.Latency()
}

// send sends at a pace for a while, and returns how long it took.
func (g *Generator) send(p *pace, while time.Duration) time.Duration {
	start := g.now()
	for now := start; !g.stop.Load(); now = g.now() {
		elapsed := now - start
		if elapsed >= int64(while) {
			break
		}
		g.fill(p, elapsed, uint32(now))
		g.exchange()
		g.settle(p)
	}
	return time.Duration(g.now() - start)
}

func (g *Generator) now() int64 { return int64(time.Since(g.base)) }

// fill adds new packets to those to be sent. Without a rate, answers go first: the device under
// test gets as many answers as it has forwarded packets.
func (g *Generator) fill(p *pace, elapsed int64, now uint32) {
	if g.answers.N > 0 && p.rate == 0 {
		return
	}
	n := p.take(elapsed, ports.MaxBurst-g.tx.N)
	if n == 0 {
		return
	}
	first := g.tx.N
	if missing := n - g.reuse(n); missing > 0 && !g.queue.AllocBurst(&g.tx, missing, g.frame.length) {
		p.miss(missing) // answers that wait hold all buffers
	}
	for i := first; i < g.tx.N; i++ {
		flow, step := g.source.take()
		g.frame.write(g.tx.Packets[i].Bytes(), flow, step, now, g.mark)
	}
}

// reuse turns up to n packets that have come back into new ones, and returns how many. Their memory
// is in the cache, and the buffers need not be freed and allocated again. A tunnel's header is
// removed.
func (g *Generator) reuse(n int) int {
	before := g.tx.N
	for g.tx.N-before < n && g.free.N > 0 {
		p := &g.free.Packets[g.free.N-1]
		excess := int(p.Length) - g.frame.length
		if excess < 0 {
			break // an earlier packet of another size
		}
		g.tx.Push(p)
		g.tx.Packets[g.tx.N-1].TrimFront(excess)
		g.free.N--
	}
	return g.tx.N - before
}

// exchange sends the packets to be sent, and handles those received.
func (g *Generator) exchange() {
	if !g.answer {
		g.count.sent += g.pass(&g.tx)
		return
	}
	g.backlog.drainTo(&g.answers)
	g.count.answers += g.pass(&g.answers)
	g.count.sent += g.pass(&g.tx)
}

// pass is one call into the driver: it sends a burst, receives, and returns how many packets the
// driver took.
func (g *Generator) pass(burst *ports.Burst) uint64 {
	before := burst.N
	g.queue.Exchange(burst, nil, &g.rx)
	sent := before - burst.N
	if g.rx.N > 0 {
		g.sort(uint32(g.now()))
	}
	return uint64(sent)
}

// settle drops new packets that the device under test did not take, if there is a rate: they were
// due now.
func (g *Generator) settle(p *pace) {
	if p.rate == 0 || g.tx.N == 0 {
		return
	}
	g.count.refused += uint64(g.tx.N)
	g.queue.Exchange(nil, &g.tx, nil)
}

// sort handles each received packet as its addressee would.
func (g *Generator) sort(now uint32) {
	var a arrival
	for i := range g.rx.Slice() {
		p := &g.rx.Packets[i]
		switch {
		case !read(p.Bytes(), &a):
			g.stranger(p)
			continue
		case a.mark != g.mark: // from an earlier trial
		case isClient(a.ip.Dst()):
			g.count.returned++
			g.count.roundTrip.Add(now - a.sent)
		default:
			g.count.forwarded++
			g.count.oneWay.Add(now - a.sent)
			if g.answer && g.reply(p, &a) {
				continue
			}
		}
		g.release(p)
	}
}

// release keeps a packet for reuse.
func (g *Generator) release(p *ports.Packet) {
	if g.free.Full() {
		g.queue.Exchange(nil, &g.free, nil)
	}
	g.free.Push(p)
}

// reply queues the real server's answer to a packet, in the packet's place. It reports whether
// there is one.
func (g *Generator) reply(p *ports.Packet, a *arrival) bool {
	var flags packet.TCPFlags
	if a.protocol == packet.ProtocolTCP {
		var expected bool
		if flags, expected = answer(packet.TCP(a.ip[packet.IPv4MinLen:]).Flags()); !expected {
			return false
		}
	}
	turn(p.Bytes(), a, &g.site, flags)
	if !g.backlog.push(p) {
		g.count.withheld++
		return false
	}
	return true
}

// stranger answers ARP, and frees every other packet that is not the generator's own.
func (g *Generator) stranger(p *ports.Packet) {
	g.count.foreign++
	if !answerARP(p.Bytes(), &g.site) {
		g.release(p)
		return
	}
	g.own.Push(p)
	g.queue.Exchange(&g.own, nil, nil)
	g.queue.Exchange(nil, &g.own, nil)
}

// usualQuiet is longer than any device holds a packet.
const usualQuiet = 100 * time.Millisecond

// drain receives until no packet is on its way any more, and frees the packets that could not be
// sent.
func (g *Generator) drain() {
	last, arrived := g.now(), g.count.arrived()
	for now := last; g.underway() > 0 && now-last < int64(g.quiet) && !g.stop.Load(); now = g.now() {
		g.exchange()
		if n := g.count.arrived(); n != arrived {
			last, arrived = now, n
		}
	}
	g.backlog.drainTo(&g.answers)
	for _, b := range []*ports.Burst{&g.tx, &g.answers, &g.free} {
		g.queue.Exchange(nil, b, nil)
	}
	for !g.backlog.empty() {
		g.backlog.drainTo(&g.answers)
		g.queue.Exchange(nil, &g.answers, nil)
	}
}
