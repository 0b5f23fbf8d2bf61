package engine

import (
	"net/netip"
	"sync/atomic"
	"time"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/neighbour"
	"fulcrum/packet"
)

// Evidence of the real servers that are watched (RealServer.Watched): which new sessions they
// answered, and which clients they failed. Workers note it where a SYN is repeated, where a session
// changes its state, and where one ends, so that established sessions cost nothing. Each worker has
// a place of its own for each such real server, and TakeEvidence empties it.

// FailureKind is how a real server failed a client.
type FailureKind uint8

// The kinds of failures.
const (
	Unanswered FailureKind = 1 + iota // no answer to a SYN or an INIT
	Refused                           // a reset, ABORT or ICMP error in answer to the first packet
	Mute                              // no answer to any datagram of a session
)

// Failure is a client that a real server failed.
type Failure struct {
	Client uint32 // tells clients apart, with IPv6 their networks of 64 bits
	Kind   FailureKind
	Ago    time.Duration // since the client asked
}

// maxFailures is how many clients a worker remembers of a real server until they are taken.
const maxFailures = 8

// Evidence is what workers have noticed of a watched real server since it was last taken.
type Evidence struct {
	Server   netip.AddrPort
	Answered bool          // a new session; with UDP alone, any datagram
	Ago      time.Duration // since the newest answer; valid with Answered
	Failures []Failure
	// Unreachable: it is a neighbour of the director, and does not answer ARP or solicitations.
	Unreachable bool
}

// evidence is what the workers have noticed of a real server.
type evidence struct {
	by []noticed // by worker
	// replies is how many datagrams came from it when that was last looked at, valid if counted. It
	// is for the caller of TakeEvidence.
	replies uint64
	counted bool
}

// noticed is one worker's part. The worker alone writes, but for zeros. It fills two cache lines.
type noticed struct {
	failures [maxFailures]atomic.Uint64 // failure; 0 is none
	answered atomic.Uint64              // 1<<32 | ms; 0 is none
	errors   atomic.Uint64              // ICMP errors to clients, which count as packets too
	next     uint32                     // the failure that gives way next; for the worker alone
	_        [44]byte
}

// failure has the kind in bits 62 and 63, the client in bits 32 to 61, and in the others when the
// client asked, in ms.
type failure uint64

const (
	clientBits = 30
	clientMask = 1<<clientBits - 1
)

func newFailure(k FailureKind, client, asked uint32) failure {
	return failure(k)<<62 | failure(client&clientMask)<<32 | failure(asked)
}

func (f failure) kind() FailureKind { return FailureKind(f >> 62) }
func (f failure) client() uint32    { return uint32(f>>32) & clientMask }
func (f failure) asked() uint32     { return uint32(f) }

// add notes a failure in place of an earlier one of the same client, or of the oldest.
func (n *noticed) add(f failure) {
	place := -1
	for i := range n.failures {
		was := failure(n.failures[i].Load())
		if was != 0 && was.client() == f.client() {
			place = i
			break
		}
		if was == 0 && place < 0 {
			place = i
		}
	}
	if place < 0 {
		place = int(n.next % maxFailures)
		n.next++
	}
	n.failures[place].Store(uint64(f))
}

// answer notes that a new session was answered.
func (n *noticed) answer(now uint32) {
	if v := 1<<32 | uint64(now); n.answered.Load() != v {
		n.answered.Store(v)
	}
}

// noticedOf returns the worker's place for a real server, or nil if that is not watched.
func (w *Worker) noticedOf(server *serverEntry) *noticed {
	if server.evidence == nil {
		return nil
	}
	return &server.evidence.by[w.number]
}

// fail notes that a session's client was failed.
func (w *Worker) fail(n *noticed, slot uint32, k FailureKind, asked uint32) {
	client := w.sessions.Flow(slot, conntrack.Inbound).Src
	n.add(newFailure(k, clientNumber(client), asked))
}

// clientNumber folds an IPv4 address, or an IPv6 network of 64 bits, which is what one client may
// have at will. Two clients with one number count as one.
func clientNumber(a packet.Addr) uint32 {
	b := a.Netip().As16()
	from := b[:8]
	if a.Is4() {
		from = b[12:]
	}
	n := uint64(len(from))
	for _, c := range from {
		n = (n ^ uint64(c)) * 0x100000001b3 // FNV-1a
	}
	return uint32(n>>clientBits^n) & clientMask
}

// noteOpening notes a SYN or an INIT of a session that exists: one that the client repeats because
// it had no answer, or the real server's answer. Where answers do not pass, the next hop is asked
// whether it is there.
func (w *Worker) noteOpening(m *meta, ref conntrack.Ref) {
	s := w.sessions.At(ref.Slot())
	n := w.noticedOf(w.snap.servers[s.Server])
	switch {
	case n == nil:
	case ref.Direction() == conntrack.Outbound:
		if m.TCPFlags&packet.TCPAck != 0 {
			n.answer(w.now)
		}
	case w.unansweredFor(s, repeatTime):
		w.fail(n, ref.Slot(), Unanswered, s.LastSeen)
	case s.Flags&conntrack.TwoWay == 0 && s.State.HalfOpen():
		w.neighbours.Recheck(w.peers[s.Server].hop)
	}
}

// repeatTime is how long, in ms, a repeated SYN must have waited: the second after which TCP sends
// it again (RFC 6298, 2.1), less what timers and the way may take from it.
const repeatTime = answerTime - 100

// unansweredFor reports whether a session has waited for so many ms for an answer to its SYN or
// INIT, where the director would see it.
func (w *Worker) unansweredFor(s *conntrack.Session, ms uint32) bool {
	return s.PacketsOut == 0 && s.Flags&conntrack.TwoWay != 0 && s.State.HalfOpen() &&
		w.now-s.LastSeen >= ms
}

// noteTurn notes what the first packet of a watched real server does to a session: it refuses it or
// not.
func (w *Worker) noteTurn(g *passage, c conntrack.Transition) {
	if g.direction == conntrack.Inbound || g.session.PacketsOut != 0 || !c.From.HalfOpen() {
		return
	}
	n := w.noticedOf(g.server)
	switch c.To {
	case conntrack.Close, conntrack.SCTPClosed, conntrack.SCTPRejected:
		w.fail(n, g.slot, Refused, w.now)
	default:
		n.answer(w.now)
	}
}

// noteEnd notes a session of a watched real server that ends without an answer.
func (w *Worker) noteEnd(slot uint32, s *conntrack.Session, server *serverEntry) {
	n := w.noticedOf(server)
	switch {
	case w.unansweredFor(s, answerTime):
		w.fail(n, slot, Unanswered, s.LastSeen)
	case s.State == conntrack.UDP && s.Flags&conntrack.TwoWay != 0 && s.PacketsOut == 0 &&
		w.now-s.LastSeen >= answerTime:
		w.fail(n, slot, Mute, s.LastSeen)
	}
}

// noteError notes an ICMP error to a client of a watched real server. If the real server itself
// sends it about the first packet of a session, it refuses the session, as for a UDP port where
// nothing listens. Firewalls do so too.
func (w *Worker) noteError(g *passage) {
	n, s := w.noticedOf(g.server), g.session
	n.errors.Store(n.errors.Load() + 1)
	if s.PacketsOut != 0 || s.State != conntrack.UDP && !s.State.HalfOpen() {
		return
	}
	b := g.p.Bytes()
	if k := g.m.Key(b); k.Src == g.server.address && g.m.refuses(b) {
		w.fail(n, g.slot, Refused, w.now)
	}
}

// refuses reports whether an ICMP error says that its sender does not take the packet: destination
// unreachable (RFC 792, RFC 4443), and not for its size.
func (m *meta) refuses(frame []byte) bool {
	b := frame[m.Transport:m.End]
	if m.Kind.Is6() {
		return packet.ICMPv6(b).Type() == packet.ICMP6Unreachable
	}
	icmp := packet.ICMP(b)
	return icmp.Type() == packet.ICMPUnreachable && icmp.Code() != packet.ICMPCodeFragmentationNeeded
}

// isUnreachable reports whether a real server, by its id, is the neighbour that does not answer.
func (w *Worker) isUnreachable(id int, p *peer) bool {
	n := w.neighbours.At(p.hop)
	return n.State() == neighbour.Failed && n.Address == w.snap.servers[id].address
}

// evidenceFor returns the place for the evidence of a real server, or nil if it is not watched.
func (s *liveServer) evidenceFor(watched bool, workers int) *evidence {
	if !watched {
		s.evidence.Store(nil)
		return nil
	}
	e := s.evidence.Load()
	if e == nil {
		e = &evidence{by: make([]noticed, workers)}
		s.evidence.Store(e)
	}
	return e
}

// TakeEvidence calls f for each watched real server of a service with what was noticed of it since
// the call before. now is the time in ms of a Clock. The evidence is valid during the call. Only
// one goroutine may call TakeEvidence.
func (e *Engine) TakeEvidence(id lvs.ServiceID, now uint32, f func(*Evidence)) {
	e.registry.mu.RLock()
	s := e.registry.services[id]
	e.registry.mu.RUnlock()
	if s == nil {
		return
	}
	v := s.view.Load()
	all := Evidence{Failures: make([]Failure, 0, maxFailures*len(e.workers))}
	datagrams := v.settings.onlyUDP()
	for _, server := range v.current() {
		if of := server.evidence.Load(); of != nil {
			all.take(of, now)
			all.Server = server.id.Address
			e.addSigns(&all, server, of, datagrams)
			f(&all)
		}
	}
}

// take empties the places of all workers.
func (e *Evidence) take(of *evidence, now uint32) {
	*e = Evidence{Failures: e.Failures[:0]}
	for i := range of.by {
		n := &of.by[i]
		if n.answered.Load() != 0 {
			e.answered(ago(now, uint32(n.answered.Swap(0))))
		}
		for j := range n.failures {
			if n.failures[j].Load() == 0 {
				continue
			}
			was := failure(n.failures[j].Swap(0))
			e.Failures = append(e.Failures, Failure{was.client(), was.kind(), ago(now, was.asked())})
		}
	}
}

func (e *Evidence) answered(ago time.Duration) {
	if !e.Answered || ago < e.Ago {
		e.Answered, e.Ago = true, ago
	}
}

// ago returns how long before now a time in ms is. Workers read the clock once a turn, so that it
// may seem to be to come.
func ago(now, at uint32) time.Duration {
	return max(0, time.Duration(int32(now-at))*time.Millisecond)
}

// addSigns adds what workers publish of every real server.
func (e *Engine) addSigns(to *Evidence, server *liveServer, of *evidence, datagrams bool) {
	replies := uint64(0)
	for i, w := range e.workers {
		if w.published.servers == nil {
			return // after Close
		}
		s := &w.published.servers[server.number]
		replies += s.traffic.outPackets() - of.by[i].errors.Load()
		if s.incarnation.Load() == server.incarnation {
			to.Unreachable = to.Unreachable || s.signs.Load()&neighbourFailed != 0
		}
	}
	if datagrams && of.replied(replies) {
		to.answered(0)
	}
}

// replied reports whether datagrams came since it was last asked. Workers publish packets later
// than errors, so that the difference may be too small for a moment.
func (e *evidence) replied(replies uint64) bool {
	more := e.counted && int64(replies-e.replies) > 0
	if more || !e.counted {
		e.replies, e.counted = replies, true
	}
	return more
}

// onlyUDP reports whether all that a service claims is UDP.
func (s *Service) onlyUDP() bool {
	for _, m := range s.claims() {
		if m.Protocol != lvs.UDP {
			return false
		}
	}
	return true
}
