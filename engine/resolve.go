package engine

import (
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// newNeighbours returns a worker's empty neighbour table.
func newNeighbours(devices []ports.Port, worker int) neighbour.Table {
	c := neighbour.Config{Worker: worker}
	for _, d := range devices {
		c.Ports = append(c.Ports, neighbour.Port{MAC: d.MAC(), MTU: d.MTU()})
	}
	return neighbour.New(c)
}

// tickNeighbours does what is due in the neighbour table.
func (w *Worker) tickNeighbours() { w.attend(w.neighbours.Tick(w.now)) }

// attend carries out what the neighbour table asks for.
func (w *Worker) attend(work neighbour.Work) {
	for _, h := range work.Learnt {
		w.sendWaiting(h)
	}
	for _, h := range work.Failed {
		w.dropWaiting(h, DropNeighbourFailed)
	}
	for _, q := range work.Ask {
		w.ask(q)
	}
}

// ask sends an ARP request or a neighbour solicitation. It does nothing for the zero Question.
func (w *Worker) ask(q neighbour.Question) {
	if q.Hop == 0 {
		return
	}
	n, to := w.neighbours.At(q.Hop), q.To
	if !n.Address.Is4() {
		w.solicit(int(n.Port), to, n.Address)
		return
	}
	if to.IsZero() {
		to = packet.Broadcast
	}
	port := &w.snap.ports[n.Port]
	w.sendARP(int(n.Port), to, packet.ARPFields{
		Op:        packet.ARPRequest,
		SenderMAC: port.mac,
		SenderIP:  port.sourceTowards(n.Address).V4(),
		TargetIP:  n.Address.V4(),
	})
}

// sendWaiting sends the packets that waited for a neighbour's MAC.
func (w *Worker) sendWaiting(h neighbour.Hop) {
	waited, n := w.neighbours.Take(h), w.neighbours.At(h)
	for i := range waited {
		w.transmit(&waited[i], n)
	}
}

func (w *Worker) dropWaiting(h neighbour.Hop, why Verdict) {
	waited := w.neighbours.Take(h)
	for i := range waited {
		w.drop(&waited[i], why)
	}
}

// nextHop returns the neighbour that leads to a client, or a drop reason.
func (w *Worker) nextHop(client packet.Addr) (neighbour.Hop, Verdict) {
	gateway, port, ok := w.snap.routes.next(client)
	if !ok {
		return 0, DropNoRoute
	}
	h, ok := w.neighbours.Find(gateway, port, w.now)
	if !ok {
		return 0, DropNeighboursFull
	}
	return h, Taken
}

// nextServerHop is nextHop for a real server, whose neighbour no stranger may keep out. It keeps
// the neighbour resolved, ahead of the first packet.
func (w *Worker) nextServerHop(server packet.Addr) (neighbour.Hop, Verdict) {
	gateway, port, ok := w.snap.routes.next(server)
	if !ok {
		return 0, DropNoRoute
	}
	h, ok := w.neighbours.FindKept(gateway, port, w.now)
	if !ok {
		return 0, DropNeighboursFull
	}
	w.want(h)
	return h, Taken
}

// setTopology gives the snapshot's routes and static neighbours to the neighbour table, and returns
// what the table asks for.
func (w *Worker) setTopology() neighbour.Work {
	var gateways []neighbour.Gateway
	for _, r := range w.snap.routes {
		if r.gateway != (packet.Addr{}) {
			source := w.snap.ports[r.port].sourceTowards(r.gateway)
			gateways = append(gateways, neighbour.Gateway{
				Address: r.gateway, Source: source, Port: r.port,
			})
		}
	}
	var statics []neighbour.StaticEntry
	for _, s := range w.snap.topology.settings.neighbours {
		statics = append(statics, neighbour.StaticEntry{
			Address: packet.AddrOf(s.Address), MAC: s.MAC, Port: uint16(s.Port),
		})
	}
	return w.neighbours.SetTopology(gateways, statics, w.now)
}

// listenAtOnce is how many items of news a worker takes in one turn.
const listenAtOnce = 32

// listen hears what other workers have heard of neighbours.
func (w *Worker) listen() {
	news := &w.engine.news
	if news.Told() == w.seen {
		return
	}
	var buffer [listenAtOnce]neighbour.Item
	var items []neighbour.Item
	items, w.seen = news.Since(w.seen, buffer[:])
	for _, i := range items {
		if int(i.Worker) != w.number {
			learnt, question := w.neighbours.Learn(i.Message, w.now)
			w.learnt(&neighbour.Reception{Learnt: learnt, Ask: question})
		}
	}
}

// want keeps a real server's next hop resolved, ahead of the first packet.
func (w *Worker) want(h neighbour.Hop) {
	n := w.neighbours.At(h)
	w.ask(w.neighbours.Want(h, w.snap.ports[n.Port].sourceTowards(n.Address), w.now))
}
