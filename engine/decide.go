package engine

import (
	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/sched"
)

// arrival is what a decision needs to know of a packet: its flow and what it may begin. So Explain
// can decide about a packet that never came.
type arrival struct {
	key   packet.Key
	hash  uint64          // of key
	call  uint64          // of a SIP message (readCall); 0 unless its service goes by it
	flags packet.TCPFlags // valid for TCP
	event conntrack.Event // valid for SCTP
	// over is the session of this flow that ends if the packet begins another; 0 is none.
	over     conntrack.Ref
	port     uint16 // index of the port where the packet came in
	question bool   // from Explain: the decision must change nothing
}

// decision is the result for a packet without session: a new session with its real server, or the
// reason of the drop.
type decision struct {
	verdict Verdict
	service *serviceEntry // nil if no service claims the packet
	lone    bool          // the packet is forwarded alone, without a session

	// Valid if a real server was picked.
	id     uint32
	place  int // in the service's pool; not valid if kept
	server *serverEntry
	kept   bool // the client's template decided, not the scheduler

	// Valid if verdict is Taken.
	// out is the key of the answers. In dr and ipip they do not pass, and out only names the real
	// server.
	out     packet.Key
	outHash uint64
	turn    uint32        // fullnat: the real server's next local address and port
	local   uint32        // fullnat: the number of the local address
	holder  conntrack.Ref // fullnat: the session that ends for the local port; 0 is none

	counted bool // the session counts towards its source; valid once charged
}

// decide finds the service of a packet without session, picks a real server, and finds the flow of
// the answers. It changes only the scheduler's position, and nothing for a question, which has no
// packet: p and m are nil.
func (w *Worker) decide(a *arrival, d *decision, p *ports.Packet, m *meta) {
	service, ok := w.claim.find(w.snap, &a.key)
	switch {
	case ok && w.mayStart(a) &&
		(!service.sticky.byCall || a.question || w.readCall(a, p, m)):
		w.decideFor(service, a, d)
		return
	case !ok:
		d.verdict = w.unclaimed(a.port, a.key.Dst)
	case !w.mayStart(a):
		d.verdict = DropNoSession
	default:
		d.verdict = DropNoCallID
	}
	d.service, d.server, d.lone = service, nil, false
}

// lastClaim is the last socket that was looked for and the service that claims it, by one snapshot.
// The next first packet often goes there too, and all of a flood may.
type lastClaim struct {
	socket  lookupKey
	service *serviceEntry
}

// find returns the service that claims a client's packet.
func (c *lastClaim) find(n *snapshot, k *packet.Key) (*serviceEntry, bool) {
	socket := socketKey(k.Dst, k.DstPort, k.Protocol)
	if c.socket == socket {
		return c.service, true
	}
	service, ok := n.serviceAt(k.Dst, k.DstPort, k.Protocol)
	if ok {
		*c = lastClaim{socket, service}
	}
	return service, ok
}

// decideFor is decide for a packet that a service claims and that may begin a session.
func (w *Worker) decideFor(service *serviceEntry, a *arrival, d *decision) {
	d.service, d.server, d.verdict, d.holder, d.kept = service, nil, Taken, 0, false
	d.lone = service.isLone(a.key.Protocol)
	if !w.isStranger(a.key.Src) || a.key.Src.IsLinkLocal() && !w.finds(service, a.key.Src) {
		d.verdict = DropSourceAddress
		return
	}
	if w.sheds(a) {
		d.verdict = DropOverload
		return
	}
	if d.verdict = w.choose(a, d); d.verdict != Taken {
		return
	}
	switch d.verdict = w.findAnswers(a, d, maxProbes); {
	case d.verdict == Taken:
	case d.kept:
		d.takeFrom(&w.rival)
	default:
		w.chooseOther(a, d)
	}
}

// choose picks a real server: the one that the client's template names, or one by the service's
// scheduler.
func (w *Worker) choose(a *arrival, d *decision) Verdict {
	pool := w.poolOf(d.service.live)
	if d.service.sticky.timeout != 0 && w.chooseKept(pool, a, d) {
		return Taken
	}
	var i int
	var ok bool
	if request := (sched.Request{Key: &a.key, Now: w.now}); a.question {
		i, ok = pool.Peek(request)
	} else {
		i, ok = pool.Pick(request)
	}
	if !ok {
		return DropNoRealServer
	}
	return w.choosePlace(pool, i, d)
}

// choosePlace has a decision go to the real server of an index of its service's pool.
func (w *Worker) choosePlace(pool *sched.Pool, i int, d *decision) Verdict {
	picked := pool.At(i)
	d.place = i
	d.id = picked.ID
	if d.server = w.entryOf(picked); d.server == nil {
		return w.catchUp(d, picked)
	}
	return Taken
}

// entryOf returns the snapshot's entry of a pool's real server; nil if the snapshot does not have
// it.
func (w *Worker) entryOf(picked *sched.Server) *serverEntry {
	if int(picked.ID) >= len(w.snap.servers) {
		return nil
	}
	e := w.snap.servers[picked.ID]
	if e.load != picked.Load || e.gone {
		return nil
	}
	return e
}

// catchUp adopts the newest snapshot for a real server that the worker's snapshot lacks: the pool
// may be newer. It also reads the service again, because a decision must not mix two snapshots. A
// pool that is older than the newest snapshot may name a real server that is gone.
func (w *Worker) catchUp(d *decision, picked *sched.Server) Verdict {
	w.update()
	service, ok := w.snap.serviceOf(d.service.live)
	if !ok {
		return DropRealServerGone
	}
	d.service = service
	if d.server = w.entryOf(picked); d.server == nil {
		return DropRealServerGone
	}
	return Taken
}

// poolOf returns the pool of a service. It reads the pool once a burst, after the snapshot, so that
// all packets of a burst choose from the same pool.
func (w *Worker) poolOf(s *liveService) *sched.Pool {
	seen := &s.seen[w.number]
	if seen.burst != w.burst {
		seen.burst, seen.pool = w.burst, s.pool.Load()
	}
	return seen.pool
}

// isStranger reports whether an address can be that of a host other than the director. An answer to
// any other address would be lost or would loop.
func (w *Worker) isStranger(a packet.Addr) bool {
	if !a.IsUnicast() {
		return false
	}
	_, ours := w.snap.kindOf(a)
	return !ours
}

// finds reports whether a service's answers find the way to a link-local client. Those that pass
// the director do not if several ports have such addresses.
func (w *Worker) finds(service *serviceEntry, client packet.Addr) bool {
	_, _, known := w.snap.routes.next(client)
	return known || !service.pass
}

// mayStart reports whether a packet can begin a session: a SYN of TCP, an INIT of SCTP, and any
// packet of other protocols. As in the kernel, no RST and no ABORT does, sloppy or not
// (tcp_conn_schedule and sctp_conn_schedule in net/netfilter/ipvs).
func (w *Worker) mayStart(a *arrival) bool {
	switch a.key.Protocol {
	case packet.ProtocolTCP:
		return a.flags&packet.TCPRst == 0 && (a.flags&packet.TCPSyn != 0 || w.snap.settings.SloppyTCP)
	case packet.ProtocolSCTP:
		return a.event == conntrack.EventInit ||
			w.snap.settings.SloppySCTP && a.event != conntrack.EventAbort
	}
	return true
}

// unclaimed returns the verdict about a packet without session and service, by the port where it
// came in.
func (w *Worker) unclaimed(port uint16, dst packet.Addr) Verdict {
	kind, ours := w.snap.kindOf(dst)
	switch {
	case !ours:
		return DropNotOurs
	case kind.isVIP():
		return w.unservedAt(port, dst)
	case kind.isLocal():
		return DropNoSession
	}
	return DropToHost
}

// startsAnew reports whether a SYN or an INIT begins a new connection on the addresses and ports of
// a session: one that has ended and has no template, or one that leaves its real server. One that
// is not established leaves a real server that is down: a client's next SYN reaches another one.
func (w *Worker) startsAnew(ref conntrack.Ref) bool {
	if ref.Direction() == conntrack.Outbound {
		return false
	}
	s := w.sessions.At(ref.Slot())
	return w.isReused(s) || w.leavesDrained(s) || w.leavesDown(s)
}

// isReused reports whether a new connection takes the place of a session.
func (w *Worker) isReused(s *conntrack.Session) bool {
	return hasEnded(s, w.snap.settings.ConnReuseMode) && !w.isControlled(s)
}

// reuseFinWait is the bit of conn_reuse_mode for sessions in FIN_WAIT that had no reply.
const reuseFinWait = 2

// hasEnded reports whether the connection of a session is over in the eyes of a conn_reuse_mode. As
// in the kernel (is_new_conn_expected in net/netfilter/ipvs/ip_vs_core.c) every mode but 0 has the
// states of the first bit.
func hasEnded(s *conntrack.Session, mode uint8) bool {
	switch s.State {
	case conntrack.TimeWait, conntrack.Close, conntrack.SCTPClosed:
		return mode != 0
	case conntrack.FinWait:
		return mode&reuseFinWait != 0 && s.PacketsOut == 0
	}
	return false
}

// findAnswers finds the flow of the real server's answers, which no other session may use. In
// fullnat it tries at most probes local ports.
func (w *Worker) findAnswers(a *arrival, d *decision, probes int) Verdict {
	echo := isEcho(a.key.Protocol)
	if echo && d.server.families.mixed() && d.server.mode.Path() == lvs.Translate {
		return DropOtherFamily
	}
	out := &d.out
	// Assigned field by field: a literal would be built elsewhere and then copied, and the CPU
	// waits for the copy.
	out.Src, out.SrcPort, out.Protocol = d.server.address, d.server.port, a.key.Protocol
	out.Dst, out.DstPort = packet.Addr{}, 0
	if out.SrcPort == 0 {
		out.SrcPort = a.key.DstPort
	}
	if echo {
		out.SrcPort = 0
	}
	switch mode := d.server.mode; {
	case !mode.TwoWay():
		return Taken
	case mode.Source() == lvs.Local:
		return w.findLocal(a, d, probes)
	}
	out.Dst, out.DstPort = a.key.Src, a.key.SrcPort
	if d.lone {
		return Taken // its answers belong to no session, so that they need no flow
	}
	d.outHash = w.sessions.Hash(out)
	if _, free := w.free(a, d); !free {
		return DropFlowTaken
	}
	return Taken
}

// free reports whether no session uses the flow of a decision's answers, whose hash is known,
// except the session that ends with the decision. If one does, it returns that.
func (w *Worker) free(a *arrival, d *decision) (user conntrack.Ref, free bool) {
	ref, taken := w.sessions.Lookup(d.outHash, &d.out)
	return ref, !taken || a.over != 0 && ref.Slot() == a.over.Slot()
}

// isEcho reports whether a protocol's sessions are those of echo requests.
func isEcho(protocol uint8) bool {
	return protocol == packet.ProtocolICMP || protocol == packet.ProtocolICMPv6
}
