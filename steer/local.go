package steer

import (
	"slices"

	"fulcrum/packet"
	"fulcrum/ports"
)

// LocalOwner says which worker owns the local ports of one local address towards one real server.
// The owner is the worker whose queue the answers reach by the device's own hash. If the device
// does not tell, it is the port modulo the number of workers. Each worker chooses only local ports
// of its own. So no two workers choose the same port, and answers come to the worker with the
// session.
type LocalOwner struct {
	rss     *ports.RSS // nil for the port modulo the number of workers
	base    uint32     // hash of an answer without its destination port
	six     bool       // the answers are of IPv6
	workers int
}

// LocalOwner returns the owner of local ports for answers from a real server to a local address.
// port is where the answers come in. The result applies to every destination port.
func (s *Steering) LocalOwner(port uint16, answer packet.Key) LocalOwner {
	rss := s.back[port]
	if rss == nil || !rss.HasDstPort(&answer) {
		return LocalOwner{workers: s.workers}
	}
	answer.DstPort = 0
	return LocalOwner{rss: rss, base: rss.Flow(&answer), six: !answer.Src.Is4(), workers: s.workers}
}

// Uniform reports whether all devices give a local port the same owner, so that it does not matter
// where answers come in.
func (s *Steering) Uniform() bool {
	return !slices.ContainsFunc(s.back, func(r *ports.RSS) bool { return !sameAnswers(r, s.back[0]) })
}

// sameAnswers reports whether two devices spread answers in the same way. Each may be nil.
func sameAnswers(a, b *ports.RSS) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Agrees(b) && a.Spread() == b.Spread() && a.Config().Types == b.Config().Types
}

// Of returns the owner of a local port.
func (o *LocalOwner) Of(port uint16) int {
	switch {
	case o.rss == nil:
		return int(port) % o.workers
	case o.six:
		return o.rss.Queue(o.base ^ o.rss.DstPort6(port))
	}
	return o.rss.Queue(o.base ^ o.rss.DstPort4(port))
}
