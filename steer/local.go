package steer

import (
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
