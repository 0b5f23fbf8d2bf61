package engine

import (
	"math/bits"

	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// steering says which worker owns a flow. It is asked only for packets of which the worker that received them knows no session,
// and gives every worker the same answer.
//
//   - dr, ipip, fullnat: whoever received the packet of the client, if the NIC says how it spreads packets. Where it does not,
//     packets of a flow may come to several workers (the kernel's fanout under net_af_packet goes to the next queue when one is full),
//     and a port with fewer queues than workers leaves some of them without any: there a hash of the flow decides.
//   - nat: a hash of the client's address and port, which both directions carry. Where NICs spread packets by exactly that, it is
//     theirs, and nothing has to be handed over.
//   - answers in fullnat: the local port says it, see localOwner.
type steering struct {
	workers int
	spread  []bool       // by port: it does not bring flows to workers, or not to all of them
	back    []*ports.RSS // by port: how it spreads answers over all the workers' queues; nil if nobody can say
	client  *ports.RSS   // how all ports spread clients, by one end of the flow; nil if they do not
	secret  uint64
}

func newSteering(devices []ports.Port, workers int, secret uint64) steering {
	s := steering{workers: workers, secret: secret}
	for _, d := range devices {
		rss := spreadOver(d, workers)
		s.spread = append(s.spread, rss == nil)
		s.back = append(s.back, rss)
	}
	s.client = oneEnd(s.back)
	return s
}

// spreadOver returns a device's RSS if it brings packets to all of the workers and to nobody else.
func spreadOver(d ports.Port, workers int) *ports.RSS {
	rss := d.RSS()
	if rss == nil || d.Queues() != workers {
		return nil
	}
	reached := map[uint16]bool{}
	for _, queue := range rss.Config().Table {
		reached[queue] = true
	}
	if len(reached) != workers {
		return nil
	}
	return rss
}

// oneEnd returns what all devices have in common if each of them spreads by one end of a flow, and alike.
func oneEnd(all []*ports.RSS) *ports.RSS {
	var source *ports.RSS
	for _, r := range all {
		if r == nil || r.Spread() == ports.SpreadFlow || !r.Agrees(all[0]) {
			return nil
		}
		if r.Spread() == ports.SpreadSource {
			source = r
		}
	}
	return source
}

// clientOwner returns the owner of a nat client's flows.
func (s *steering) clientOwner(address packet.Addr, port uint16, protocol uint8) int {
	if s.client == nil {
		return s.choose(address.Hi ^ address.Lo<<32 ^ address.Lo>>32 ^ uint64(port)<<16 ^ uint64(protocol))
	}
	return s.client.Queue(s.client.Flow(&packet.Key{Flow: packet.Flow{Src: address, SrcPort: port}, Protocol: protocol}))
}

// flowOwner returns a worker by all that tells a flow from others.
func (s *steering) flowOwner(k *packet.Key) int {
	addresses := k.Src.Hi ^ bits.RotateLeft64(k.Src.Lo, 32) ^ bits.RotateLeft64(k.Dst.Hi, 16) ^ k.Dst.Lo
	return s.choose(addresses ^ uint64(k.SrcPort)<<48 ^ uint64(k.DstPort)<<32 ^ uint64(k.Protocol)<<24)
}

// choose maps a number evenly onto the workers. The secret keeps strangers from choosing a worker to burden.
func (s *steering) choose(v uint64) int {
	high, low := bits.Mul64(v^s.secret, 0x9e3779b97f4a7c15)
	high, low = bits.Mul64(high^low^s.secret, 0xd6e8feb86659fd93)
	n, _ := bits.Mul64(high^low, uint64(s.workers))
	return int(n)
}

// localOwner says who owns the local ports of one local address towards one real server: the worker whose queue the answers to
// a port reach, as the NIC's own hash tells, or else the one that the port's lowest bits name.
type localOwner struct {
	rss     *ports.RSS // nil for the lowest bits
	base    uint32     // hash of an answer without its destination port
	six     bool       // the answers are of IPv6
	workers int
}

// localOwner looks at answers from a real server, which come in at a port, to a local address.
func (s *steering) localOwner(port uint16, answer packet.Key) localOwner {
	rss := s.back[port]
	if rss == nil || !rss.HasDstPort(&answer) {
		return localOwner{workers: s.workers}
	}
	answer.DstPort = 0
	return localOwner{rss: rss, base: rss.Flow(&answer), six: !answer.Src.Is4(), workers: s.workers}
}

// of returns the owner of a port.
func (o *localOwner) of(port uint16) int {
	switch {
	case o.rss == nil:
		return int(port) % o.workers
	case o.six:
		return o.rss.Queue(o.base ^ o.rss.DstPort6(port))
	}
	return o.rss.Queue(o.base ^ o.rss.DstPort4(port))
}

// receiver is in the place of an owner where the worker owns a flow that receives it.
const receiver = -1

// owner returns the worker to which packets with a key belong that come in at a port, or receiver. Where they belong to nobody, it is
// this worker's to drop them.
func (w *Worker) owner(port uint16, k *packet.Key) int {
	s := &w.engine.steering
	if i, ok := w.snap.services.get(serviceIndex(k.Dst, k.DstPort, k.Protocol)); ok {
		switch {
		case w.snap.pools[i].mode == modes.NAT:
			return s.clientOwner(k.Src, k.SrcPort, k.Protocol)
		case s.spread[port]:
			return s.flowOwner(k)
		}
		return receiver
	}
	if kind, ours := w.snap.kindOf(k.Dst); ours {
		if kind == localAddress {
			return w.answerOwner(k)
		}
		return w.number
	}
	if _, ok := w.snap.natServers.get(serviceIndex(k.Src, k.SrcPort, k.Protocol)); ok {
		return s.clientOwner(k.Dst, k.DstPort, k.Protocol)
	}
	return w.number
}

// answerOwner returns the owner of a real server's packet to a local address.
func (w *Worker) answerOwner(k *packet.Key) int {
	_, port, ok := w.snap.routes.next(k.Src)
	if !ok {
		return w.number
	}
	o := w.engine.steering.localOwner(port, *k)
	return o.of(k.DstPort)
}

// probableOwner is owner for a flow of which no packet is at hand: the receiver is whom the device's hash would choose.
func (w *Worker) probableOwner(port uint16, k *packet.Key) int {
	owner := w.owner(port, k)
	if rss := w.engine.steering.back[port]; owner == receiver && rss != nil {
		return rss.Queue(rss.Flow(k))
	}
	return owner
}
