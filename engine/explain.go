package engine

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
)

// Question names a packet of which somebody wants to know where it would go.
type Question struct {
	Protocol uint8 // packet.ProtocolTCP, ProtocolUDP or ProtocolSCTP
	From, To netip.AddrPort
	TCPFlags packet.TCPFlags // of TCP
	Port     int             // where it comes in; -1 for the port that leads to its source
}

// Explanation is what would become of a packet, as of the moment of the question.
type Explanation struct {
	Verdict Verdict // Taken: it is forwarded, or waits for its next hop; else why it is dropped
	Port    int     // where it comes in
	Worker  int     // who would handle it

	// Of those that a service claims.
	Service    *Service
	RealServer netip.AddrPort
	Session    *SessionState // nil for a packet that would begin one
	// Replaces says that the packet would end its session and begin another. By lc and wlc that may go to another real server than is said
	// here: the session that ends counts no more when they choose.
	Replaces bool

	// Of those that are forwarded.
	From, To  netip.AddrPort // as the packet leaves
	Tunnel    *Tunnel        // what is around it, in ipip
	NextHop   netip.Addr
	PortOut   int
	SourceMAC packet.MAC
	MAC       packet.MAC // of the next hop; zero while it is unknown
	Neighbour string     // the next hop's state
	Room      int        // the largest packet that passes, in bytes of IP as it comes in
}

// Tunnel is the outer header of ipip.
type Tunnel struct{ From, To netip.Addr }

// SessionState is what is known of a session.
type SessionState struct {
	State                 conntrack.State
	Direction             conntrack.Direction // of the packet
	Idle                  time.Duration
	PacketsIn, PacketsOut uint32
}

// Explain says what would become of a packet, without changing anything. It asks the workers, and waits for them no longer than ctx
// lasts.
func (e *Engine) Explain(ctx context.Context, q Question) (Explanation, error) {
	if err := q.validate(len(e.cfg.Ports)); err != nil {
		return Explanation{}, err
	}
	for i := range e.workers {
		var x Explanation
		known := false
		err := e.ask(ctx, i, func(w *Worker) bool { known = w.explainKnown(&q, &x); return true })
		if known || err != nil {
			return x, err
		}
	}
	owner := 0
	if err := e.ask(ctx, 0, func(w *Worker) bool { owner = w.ownerFor(&q); return true }); err != nil {
		return Explanation{}, err
	}
	var x Explanation
	err := e.ask(ctx, owner, func(w *Worker) bool { w.explainNew(&q, &x); return true })
	return x, err
}

func (q *Question) validate(ports int) error {
	switch {
	case !q.From.IsValid() || !q.To.IsValid() || q.From.Addr().Is4() != q.To.Addr().Is4():
		return fmt.Errorf("explain %s to %s: source and destination are two addresses of one family, with ports", q.From, q.To)
	case q.Port < -1 || q.Port >= ports:
		return fmt.Errorf("explain: there is no port %d; the director has %d", q.Port, ports)
	}
	return nil
}

func (q *Question) key() packet.Key {
	return packet.Key{Flow: packet.Flow{
		Src: packet.AddrOf(q.From.Addr()), Dst: packet.AddrOf(q.To.Addr()), SrcPort: q.From.Port(), DstPort: q.To.Port(),
	}, Protocol: q.Protocol}
}

// comesIn is the port where the packet comes in.
func (w *Worker) comesIn(q *Question) int {
	if q.Port >= 0 {
		return q.Port
	}
	_, port, _ := w.snap.routes.next(packet.AddrOf(q.From.Addr())) // port 0 where none leads there
	return int(port)
}

func (w *Worker) ownerFor(q *Question) int {
	k := q.key()
	if owner := w.probableOwner(uint16(w.comesIn(q)), &k); owner != receiver {
		return owner
	}
	return w.number
}

// explainKnown explains a packet of a session that this worker has, as established would take it.
func (w *Worker) explainKnown(q *Question, x *Explanation) bool {
	k := q.key()
	ref, ok := w.lookup(&k)
	if !ok {
		return false
	}
	if q.TCPFlags&packet.TCPSyn != 0 && q.Protocol == packet.ProtocolTCP && w.startsAnew(ref) {
		x.Replaces = true
		w.explainNew(q, x)
		return true
	}
	slot, d := ref.Slot(), ref.Direction()
	s := w.sessions.At(slot)
	x.Worker, x.Port = w.number, w.comesIn(q)
	x.Session = &SessionState{
		State: s.State, Direction: d, Idle: time.Duration(w.now-s.LastSeen) * time.Millisecond,
		PacketsIn: s.PacketsIn, PacketsOut: s.PacketsOut,
	}
	x.serve(w.snap, s.Server)
	if w.snap.servers[s.Server].gone {
		x.Verdict = DropRealServerGone
		return true
	}
	towards := w.snap.servers[s.Server].address
	if d == conntrack.Outbound {
		towards = w.sessions.Flow(slot, conntrack.Inbound).Src
	}
	x.leave(w, s.Server, d, k.Flow, w.target(slot, d), towards)
	return true
}

// explainNew explains a packet of no session, as newFlow would take it.
func (w *Worker) explainNew(q *Question, x *Explanation) {
	k := q.key()
	m := meta{Parsed: packet.Parsed{TCPFlags: q.TCPFlags}}
	m.Protocol = q.Protocol
	x.Worker, x.Port = w.number, w.comesIn(q)
	i, ok := w.snap.services.get(serviceIndex(k.Dst, k.DstPort, k.Protocol))
	if !ok {
		x.Verdict = w.unclaimed(k.Dst)
		return
	}
	x.Service = &w.snap.settings.Services[i]
	switch {
	case q.Protocol != packet.ProtocolSCTP && !w.mayStart(nil, &m): // of SCTP it is an INIT
		x.Verdict = DropNoSession
	case !w.isStranger(k.Src):
		x.Verdict = DropSourceAddress
	default:
		w.explainChoice(&k, &w.snap.pools[i], x)
	}
}

// explainChoice explains the beginning of a session, as begin would take it.
func (w *Worker) explainChoice(k *packet.Key, service *servicePool, x *Explanation) {
	r := request(k)
	pick, ok := service.pool.Peek(&r)
	if !ok {
		x.Verdict = DropNoRealServer
		return
	}
	id := service.servers[pick]
	server := &w.snap.servers[id]
	x.serve(w.snap, id)
	to := k.Flow
	if server.mode.TwoWay() {
		out := packet.Flow{Src: server.address, SrcPort: server.port, Dst: k.Src, DstPort: k.SrcPort}
		if x.Verdict = w.foretell(&out, k, service, id); x.Verdict != Taken {
			return
		}
		to = out.Reverse()
	}
	if !x.Replaces && w.sessions.Full(!k.Src.Is4()) { // else the session that ends leaves its slot
		x.Verdict = DropSessionsFull
		return
	}
	x.leave(w, id, conntrack.Inbound, k.Flow, to, server.address)
}

// foretell finds the return flow that a session would get, as insert would, or why it would get none.
func (w *Worker) foretell(out *packet.Flow, k *packet.Key, service *servicePool, id uint32) Verdict {
	protocol := k.Protocol
	ended, _ := w.lookup(k) // has ended when the new one begins
	if service.mode != modes.FullNAT {
		if w.taken(out, protocol, ended) {
			return DropFlowTaken
		}
		return Taken
	}
	turn := w.localTurns[id]
	for range maxProbes {
		if !w.nextLocal(out, protocol, service.local, id, &turn) {
			return DropNoLocalPort
		}
		if !w.taken(out, protocol, ended) {
			return Taken
		}
	}
	return DropNoLocalPort
}

// taken reports whether a session's answers come on a flow, other than those of one that will have ended.
func (w *Worker) taken(out *packet.Flow, protocol uint8, ended conntrack.Ref) bool {
	ref, found := w.lookup(&packet.Key{Flow: *out, Protocol: protocol})
	return found && (ended == 0 || ref.Slot() != ended.Slot())
}

// serve names the real server and its service.
func (x *Explanation) serve(n *snapshot, id uint32) {
	s := &n.servers[id]
	x.RealServer = netip.AddrPortFrom(s.address.Netip(), s.port)
	for i := range n.pools {
		for _, other := range n.pools[i].servers {
			if other == id {
				x.Service = &n.settings.Services[i]
			}
		}
	}
}

// leave says how a packet leaves: as what, and to whom.
func (x *Explanation) leave(w *Worker, id uint32, d conntrack.Direction, from, to packet.Flow, towards packet.Addr) {
	server := &w.snap.servers[id]
	if !server.mode.TwoWay() {
		to = from
	}
	x.From, x.To = netip.AddrPortFrom(to.Src.Netip(), to.SrcPort), netip.AddrPortFrom(to.Dst.Netip(), to.DstPort)
	gateway, port, ok := w.snap.routes.next(towards)
	if !ok {
		x.Verdict = DropNoRoute
		return
	}
	x.NextHop, x.PortOut, x.SourceMAC = gateway.Netip(), int(port), w.snap.ports[port].mac
	x.Neighbour = neighbourStates[free]
	x.Room = int(w.neighbours.mtus[port]) - int(server.overheads[d])
	if server.mode == modes.IPIP {
		x.Tunnel = &Tunnel{w.snap.ports[port].sourceTowards(gateway).Netip(), server.address.Netip()}
	}
	if h, known := w.neighbours.index[neighbourKey{gateway, port}]; known {
		x.resolve(&w.neighbours.entries[h], w.now)
	}
}

// resolve says what is known of the next hop, and what hold would do.
func (x *Explanation) resolve(n *neighbour, now uint32) {
	x.Neighbour = neighbourStates[n.state]
	switch {
	case n.hasMAC():
		x.MAC = n.mac()
	case n.state == failed && now-n.since < neighbourRetry:
		x.Verdict = DropNeighbourFailed
	}
}

// neighbourStates are the names of neighbours' states, for people.
var neighbourStates = [...]string{
	free:       "unknown: it would be asked for, and the packet waits",
	incomplete: "asked for: the packet waits for an answer",
	failed:     "failed: nobody answers",
	reachable:  "reachable",
	probing:    "being asked again",
	static:     "static",
}
