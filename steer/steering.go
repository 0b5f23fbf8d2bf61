package steer

import (
	"math/bits"
	"math/rand/v2"

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
	hasher  packet.Hasher
}

// New returns the rule for devices and a number of workers. The secret keeps outsiders from
// choosing the worker that gets their flows.
func New(devices []ports.Port, workers int, secret uint64) Steering {
	words := rand.NewPCG(secret, 0)
	s := Steering{workers: workers, hasher: packet.NewHasher(words.Uint64(), words.Uint64())}
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
		return s.choose(k)
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
	k := packet.Key{Flow: packet.Flow{Src: address, SrcPort: port}, Protocol: protocol}
	if s.client == nil {
		return s.choose(&k)
	}
	return s.client.Queue(s.client.Flow(&k))
}

// choose maps a key evenly onto the workers. Every bit of the key meets the secret on its own, so
// that no relation between addresses and ports brings many keys to one worker.
func (s *Steering) choose(k *packet.Key) int {
	n, _ := bits.Mul64(s.hasher.Hash(k), uint64(s.workers))
	return int(n)
}
