package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// A port with a host interface gives the host what is for the director's own addresses and belongs
// to no session and no service, and some of what is for all stations. A packet gets there only
// where it would end otherwise, so that others pay nothing: ended looks at the verdict about it.

// ended drops a packet for a reason, or gives it to the host.
func (w *Worker) ended(p *ports.Packet, m *meta, why Verdict) {
	if w.link != nil {
		if v, is := w.checkAnswer(p, m, why); is {
			if v != Taken {
				w.drop(p, v)
			}
			return
		}
	}
	if w.hostOn(p.Port) {
		if lane := w.laneOf(p, m, why); lane != noLane {
			why = w.toHost(p, lane, why)
		}
	}
	w.drop(p, why)
}

// toHost copies a packet for the host and returns the verdict about it. What the director has
// consumed stays consumed: the host gets a copy of it, or not.
func (w *Worker) toHost(p *ports.Packet, lane hostLane, why Verdict) Verdict {
	v, count := w.offer(p, lane), &w.counters.host[hostLanes[lane].class]
	switch {
	case v == HandedToHost && why == Consumed:
		count.Copied++
	case v == HandedToHost:
		count.Handed++
	case v == DropHostLimit:
		count.Limited++
	case v == DropHostFull:
		count.Full++
	}
	if why == Consumed {
		return Consumed
	}
	return v
}

// offer puts a packet into the ring to the host. If its lane goes by sources, its key is in hand.
func (w *Worker) offer(p *ports.Packet, lane hostLane) Verdict {
	ring := w.link.ToHost
	switch {
	case 4*ring.Room() <= (4-hostLanes[lane].quarters)*ring.Cap():
		return DropHostFull
	case !w.engine.host.admits(lane, w.key.Src, w.now):
		return DropHostLimit
	case !ring.Put(p.Port, p.Bytes()):
		return DropHostFrame
	}
	w.told = true
	return HandedToHost
}

// laterOfUnknown returns the verdict about a later fragment, with the key of its datagram in hand,
// which has no session.
func (w *Worker) laterOfUnknown(p *ports.Packet) Verdict {
	k := &w.key
	if _, served := w.snap.serviceAt(k.Dst, k.DstPort, k.Protocol); served || !w.hostOn(p.Port) {
		return DropNoSession
	}
	if v := w.unclaimed(p.Port, k.Dst); v == DropToHost {
		return v
	}
	return DropNoSession
}

// explainHost says that a packet would go to the host, and in which class. Its TTL is taken to be
// that of a station on the link.
func (w *Worker) explainHost(x *Explanation, a *arrival) {
	lane := noLane
	switch {
	case !w.hostOn(a.port):
		return
	case x.Verdict == DropToHost && w.hostHas(a.port, a.key.Dst):
		lane = w.laneOfFlow(&a.key, fromTheLink)
	case x.Verdict == DropNotOurs && a.key.Protocol == packet.ProtocolUDP:
		lane = w.laneOfStray(a.port, &a.key, fromTheLink, a.key.Dst == limitedBroadcast)
	}
	if lane != noLane {
		x.Verdict, x.Host = HandedToHost, hostLanes[lane].class
	}
}

// HostTotals counts the packets to the host in one class. The sum of Handed over all classes is
// Totals.ToHost.
type HostTotals struct {
	Handed  uint64
	Copied  uint64 // of packets that the director has consumed
	Limited uint64 // not given to the host because of its rate, copies too
	Full    uint64 // not given because the ring was too full, copies too
}

const numHostTotals = 4

// all returns the places of the counts.
func (t *HostTotals) all() [numHostTotals]*uint64 {
	return [numHostTotals]*uint64{&t.Handed, &t.Copied, &t.Limited, &t.Full}
}

func (p *published) setHost(all *[NumHostClasses]HostTotals) {
	for i := range all {
		for j, n := range all[i].all() {
			p.host[i][j].Store(*n)
		}
	}
}

func (p *published) addHost(all []HostTotals) {
	for i := range all {
		for j, n := range all[i].all() {
			*n += p.host[i][j].Load()
		}
	}
}

// hostTotals sums up what the workers have published; nil if no port has a host interface.
func (e *Engine) hostTotals() []HostTotals {
	if e.host == nil {
		return nil
	}
	all := make([]HostTotals, NumHostClasses)
	for _, w := range e.workers {
		w.published.addHost(all)
	}
	return all
}
