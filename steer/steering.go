package steer

import (
	"math/bits"

	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/ports"
)

// Receiver stands for the worker that receives the flow, in place of a worker's number.
const Receiver = -1

// Steering is the rule by which the workers of one engine own flows.
type Steering struct {
	workers int
	spread  []bool       // by port: it does not bring flows to workers, or not to all of them
	back    []*ports.RSS // by port: how it spreads answers over workers; nil if it does not tell
	client  *ports.RSS   // how all ports spread clients, by one end of the flow; nil if they do not
	secret  uint64
}

// New returns the rule for devices and a number of workers. The secret keeps outsiders from
// choosing the worker that gets their flows.
func New(devices []ports.Port, workers int, secret uint64) Steering {
	s := Steering{workers: workers, secret: secret}
	for _, d := range devices {
		rss := spreadOver(d.RSS(), d.Queues(), workers)
		s.spread = append(s.spread, rss == nil)
		s.back = append(s.back, rss)
	}
	s.client = oneEnd(s.back)
	return s
}

// spreadOver returns a device's RSS if it brings packets to all workers and to no other queue.
func spreadOver(rss *ports.RSS, queues, workers int) *ports.RSS {
	if rss == nil || queues != workers {
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

// oneEnd returns the RSS for clients if all devices spread by one end of a flow, and in the same
// way.
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

// FromClient returns the owner of a client's packet that came in at a port, or Receiver. owner is
// the Owner of the service's mode.
func (s *Steering) FromClient(port uint16, k *packet.Key, owner lvs.Owner) int {
	switch {
	case owner == lvs.ClientEnd:
		return s.clientEnd(k.Src, k.SrcPort, k.Protocol)
	case s.spread[port]:
		return s.flow(k)
	}
	return Receiver
}

// FromServer returns the owner of a real server's answer to a client, in a mode whose flows belong
// to the client's end.
func (s *Steering) FromServer(k *packet.Key) int {
	return s.clientEnd(k.Dst, k.DstPort, k.Protocol)
}

// Queue returns the queue to which a port brings packets with a key. ok is false if the port does
// not tell.
func (s *Steering) Queue(port uint16, k *packet.Key) (queue int, ok bool) {
	rss := s.back[port]
	if rss == nil {
		return 0, false
	}
	return rss.Queue(rss.Flow(k)), true
}

// clientEnd returns the owner of the flows of a client's address and port.
func (s *Steering) clientEnd(address packet.Addr, port uint16, protocol uint8) int {
	if s.client == nil {
		low := bits.RotateLeft64(address.Lo, 32)
		return s.choose(address.Hi ^ low ^ uint64(port)<<16 ^ uint64(protocol))
	}
	k := packet.Key{Flow: packet.Flow{Src: address, SrcPort: port}, Protocol: protocol}
	return s.client.Queue(s.client.Flow(&k))
}

// flow returns a worker by a hash of the whole flow.
func (s *Steering) flow(k *packet.Key) int {
	src := k.Src.Hi ^ bits.RotateLeft64(k.Src.Lo, 32) ^ uint64(k.SrcPort)<<48
	dst := bits.RotateLeft64(k.Dst.Hi, 16) ^ k.Dst.Lo ^ uint64(k.DstPort)<<32
	return s.choose(src ^ dst ^ uint64(k.Protocol)<<24)
}

// choose maps a number evenly onto the workers.
func (s *Steering) choose(v uint64) int {
	high, low := bits.Mul64(v^s.secret, 0x9e3779b97f4a7c15)
	high, low = bits.Mul64(high^low^s.secret, 0xd6e8feb86659fd93)
	n, _ := bits.Mul64(high^low, uint64(s.workers))
	return int(n)
}
