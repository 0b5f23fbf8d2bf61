package engine

import (
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// newNeighbours returns a worker's empty table of neighbours.
func newNeighbours(devices []ports.Port, worker int) neighbour.Table {
	c := neighbour.Config{Worker: worker}
	for _, d := range devices {
		c.Ports = append(c.Ports, neighbour.Port{MAC: d.MAC(), MTU: d.MTU()})
	}
	return neighbour.New(c)
}

// tickNeighbours does the piece of the resolution's work that time brings.
func (w *Worker) tickNeighbours() { w.carryOut(w.neighbours.Tick(w.now)) }

// carryOut does what the table of neighbours wants done.
func (w *Worker) carryOut(work neighbour.Work) {
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

// ask sends an ARP request or a neighbour solicitation, if there is something to ask.
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

// sendWaiting sends the packets that waited for a neighbour's MAC, which is known now.
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

// nextHop returns the neighbour through which an address is reached.
func (w *Worker) nextHop(address packet.Addr) (neighbour.Hop, Verdict) {
	gateway, port, ok := w.snap.routes.next(address)
	if !ok {
		return 0, DropNoRoute
	}
	h, ok := w.neighbours.Find(gateway, port, w.now)
	if !ok {
		return 0, DropNeighboursFull
	}
	return h, Taken
}

// setTopology tells the table of neighbours of the snapshot's routes and static neighbours, and
// returns what is to be done.
func (w *Worker) setTopology() neighbour.Work {
	var gateways []neighbour.Gateway
	for i := range w.snap.routes {
		address, port, ok := w.snap.routes.next(w.snap.routes[i].gateway)
		if ok && w.snap.routes[i].gateway != (packet.Addr{}) {
			source := w.snap.ports[port].sourceTowards(address)
			g := neighbour.Gateway{Address: address, Source: source, Port: port}
			gateways = append(gateways, g)
		}
	}
	var statics []neighbour.StaticEntry
	for _, s := range w.snap.settings.Neighbours {
		address, port := packet.AddrOf(s.Address), uint16(s.Port)
		statics = append(statics, neighbour.StaticEntry{Address: address, MAC: s.MAC, Port: port})
	}
	return w.neighbours.SetTopology(gateways, statics, w.now)
}

// listenAtOnce is how many items of news a worker takes in one turn.
const listenAtOnce = 32

// listen takes in what other workers have learned of neighbours.
func (w *Worker) listen() {
	news := &w.engine.news
	if news.Told() == w.seen {
		return
	}
	var room [listenAtOnce]neighbour.Item
	var items []neighbour.Item
	items, w.seen = news.Since(w.seen, room[:])
	for _, i := range items {
		if int(i.Worker) != w.number {
			w.sendWaiting(w.neighbours.Learn(i.Address, i.Port, i.MAC, w.now))
		}
	}
}
