package bench

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

const (
	// window is the number of packets that may be underway while sessions are made, so that no ring
	// overflows.
	window = 512

	creationPasses = 5 // passes over all flows before the rest is left uncreated

	// stalled is how many times Generator.quiet a pass waits for an arrival before it ends. It is
	// patient because the next pass starts again from the first flow.
	stalled = 10
)

// create makes the session of every flow, step by step.
func (g *Generator) create(t Trial, r *Result) {
	start := g.now()
	for _, step := range kinds[t.Kind].create {
		missing := uint64(t.Flows)
		for range creationPasses {
			if missing = g.createPass(uint32(t.Flows), step); missing == 0 {
				break
			}
		}
		r.Uncreated += missing
	}
	r.Creation = Duration(g.now() - start)
}

// createPass sends one step of every flow and returns how many of the packets did not arrive.
func (g *Generator) createPass(flows uint32, step packet.TCPFlags) uint64 {
	g.begin()
	var next uint32
	last, arrived := g.now(), uint64(0)
	for now := last; !g.stop.Load(); now = g.now() {
		next = g.fillCreate(next, flows, step, uint32(now))
		g.exchange()
		if n := g.count.arrived(); n != arrived {
			last, arrived = now, n
		}
		if next == flows && g.underway() <= 0 || now-last > stalled*int64(g.quiet) {
			break
		}
	}
	g.drain()
	return uint64(flows) - min(uint64(flows), g.count.forwarded)
}

// underway returns the number of packets and answers that are on their way or wait to be sent.
func (g *Generator) underway() int {
	c := &g.count
	return int(c.sent+c.answers-c.arrived()) + g.tx.N + g.answers.N + int(g.backlog.tail-g.backlog.head)
}

// fillCreate adds packets of the next flows while the window allows, and returns the flow after
// them.
func (g *Generator) fillCreate(next, flows uint32, step packet.TCPFlags, now uint32) uint32 {
	n := min(ports.MaxBurst-g.tx.N, window-g.underway(), int(flows-next))
	if n <= 0 || !g.queue.AllocBurst(&g.tx, n, g.frame.length) {
		return next
	}
	for i := g.tx.N - n; i < g.tx.N; i++ {
		g.frame.write(g.tx.Packets[i].Bytes(), next, step, now, g.mark)
		next++
	}
	return next
}
