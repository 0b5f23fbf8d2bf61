package engine

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/sched"
	"fulcrum/steer"
)

// Question describes a packet to be explained.
type Question struct {
	Protocol uint8 // packet.ProtocolTCP, ProtocolUDP or ProtocolSCTP
	From, To netip.AddrPort
	TCPFlags packet.TCPFlags // valid for TCP
	// Port is the index of the port where it comes in; -1 for the port that leads to From.
	Port int
}

// Explanation says what would become of a packet at the moment of the question.
type Explanation struct {
	// Taken: forwarded, or held until its next hop is known; HandedToHost: it would go to the host, if
	// the limits permit; otherwise the drop reason
	Verdict Verdict
	Host    HostClass // valid if Verdict is HandedToHost
	Answer  Answer    // to the sender of a packet that is dropped
	Port    int       // index of the port where it comes in
	Worker  int       // number of the worker that would handle it

	// Valid if a service claims the packet.
	Service    *ExplainedService
	RealServer netip.AddrPort
	ServerMode lvs.Mode      // of the real server's new sessions
	Kept       bool          // the client's template decided on the real server, not the scheduler
	Session    *SessionState // nil for a packet that would begin a session
	Replaces   bool          // the packet would end its session and begin another
	OnePacket  bool          // the packet would be forwarded alone, and begin no session

	Routed bool // without service and session, for a nat real server (RouteUnmatched)
	// Switches are those that decided.
	Switches []Switch

	// Valid if the packet is forwarded.
	From, To  netip.AddrPort // as the packet leaves
	Tunnel    *Tunnel        // the outer header; nil outside of ipip
	NextHop   netip.Addr
	PortOut   int
	SourceMAC packet.MAC
	MAC       packet.MAC // of the next hop; zero while it is unknown
	Neighbour string     // the next hop's state
	MTULeft   int        // the largest packet that passes, in bytes of IP as it comes in

	// Oversized counts packets longer than the MTU that have come in at Port (PortTotals).
	Oversized uint64
}

// Tunnel holds the addresses of ipip's outer header.
type Tunnel struct{ From, To netip.Addr }

// SessionState describes a session.
type SessionState struct {
	State                 conntrack.State
	Mode                  lvs.Mode            // in which the session began
	Direction             conntrack.Direction // of the packet
	Idle                  time.Duration
	PacketsIn, PacketsOut uint32
}

// Explain says what would become of a packet and changes nothing. It asks the workers and waits for
// their answers until ctx ends. Any goroutine may call it.
func (e *Engine) Explain(ctx context.Context, q Question) (Explanation, error) {
	if err := q.validate(len(e.cfg.Ports)); err != nil {
		return Explanation{}, err
	}
	x, err := e.explain(ctx, &q)
	x.Oversized = e.PortTotals(x.Port).Oversized
	return x, err
}

// explain is Explain for a question that is valid.
func (e *Engine) explain(ctx context.Context, q *Question) (Explanation, error) {
	for i := range e.workers {
		var x Explanation
		known := false
		err := e.ask(ctx, i, func(w *Worker) bool { known = w.explainKnown(q, &x); return true })
		if known || err != nil {
			return x, err
		}
	}
	owner := 0
	err := e.ask(ctx, 0, func(w *Worker) bool { owner = w.ownerFor(q); return true })
	if err != nil {
		return Explanation{}, err
	}
	var x Explanation
	err = e.ask(ctx, owner, func(w *Worker) bool { w.explainNew(q, &x); return true })
	return x, err
}

func (q *Question) validate(ports int) error {
	switch {
	case !q.From.IsValid() || !q.To.IsValid() || q.From.Addr().Is4() != q.To.Addr().Is4():
		return fmt.Errorf("explain %s to %s: give two addresses of one family, with ports",
			q.From, q.To)
	case q.Port < -1 || q.Port >= ports:
		return fmt.Errorf("explain: unknown port %d; the director has %d", q.Port, ports)
	}
	return nil
}

func (q *Question) key() packet.Key {
	return packet.Key{Flow: packet.Flow{
		Src: packet.AddrOf(q.From.Addr()), SrcPort: q.From.Port(),
		Dst: packet.AddrOf(q.To.Addr()), DstPort: q.To.Port(),
	}, Protocol: q.Protocol}
}

// comesIn returns the port where the packet comes in.
func (w *Worker) comesIn(q *Question) int {
	if q.Port >= 0 {
		return q.Port
	}
	// Port 0 if no route leads to the source.
	_, port, _ := w.snap.routes.next(packet.AddrOf(q.From.Addr()))
	return int(port)
}

func (w *Worker) ownerFor(q *Question) int {
	k := q.key()
	if owner := w.probableOwner(uint16(w.comesIn(q)), &k); owner != steer.Receiver {
		return owner
	}
	return w.number
}

// opens reports whether the packet in question asks for a new connection. An SCTP packet counts as
// an INIT.
func (q *Question) opens() bool {
	return q.Protocol == packet.ProtocolSCTP ||
		q.Protocol == packet.ProtocolTCP && q.TCPFlags&packet.TCPSyn != 0
}

// arrivalOf builds the arrival of the packet in question. An SCTP packet counts as an INIT.
func (w *Worker) arrivalOf(q *Question) arrival {
	k := q.key()
	return arrival{
		key: k, hash: w.sessions.Hash(&k), flags: q.TCPFlags,
		event: conntrack.EventInit, question: true, port: uint16(w.comesIn(q)),
	}
}

// explainKnown explains a packet of a session that this worker has.
func (w *Worker) explainKnown(q *Question, x *Explanation) bool {
	a := w.arrivalOf(q)
	ref, ok := w.sessions.Lookup(a.hash, &a.key)
	if !ok {
		return false
	}
	by, anew := w.explainsAnew(q, ref)
	switch {
	case anew:
		a.over, x.Replaces, x.Switches = ref, true, append(x.Switches, by)
		w.explainDecision(q, x, &a)
	default:
		if w.keepsEnded(q, ref) {
			x.Switches = append(x.Switches, SwitchNoReuse)
		}
		w.explainSession(q, x, ref)
	}
	return true
}

// explainNew explains a packet without session.
func (w *Worker) explainNew(q *Question, x *Explanation) {
	a := w.arrivalOf(q)
	w.explainDecision(q, x, &a)
}

// explainSession shows the passage of a packet along its session.
func (w *Worker) explainSession(q *Question, x *Explanation, ref conntrack.Ref) {
	slot, d := ref.Slot(), ref.Direction()
	s := w.sessions.At(slot)
	server := w.snap.servers[s.Server]
	x.Worker, x.Port = w.number, w.comesIn(q)
	x.Session = &SessionState{
		State: s.State, Direction: d, Mode: s.Mode, Idle: time.Duration(w.now-s.LastSeen) * time.Millisecond,
		PacketsIn: s.PacketsIn, PacketsOut: s.PacketsOut,
	}
	x.serve(w.snap, server, w.sessions.Flow(slot, conntrack.Outbound).SrcPort)
	if server.gone {
		x.Verdict = DropRealServerGone
		return
	}
	towards := server.address
	if d == conntrack.Outbound {
		towards = w.sessions.Flow(slot, conntrack.Inbound).Src
	}
	other := w.sessions.Flow(slot, d^1)
	x.leave(w, departure{
		server: server, mode: s.Mode, direction: d,
		from: q.key().Flow, to: other.Reverse(), towards: towards,
	})
}

// explainDecision shows the decision about a packet without session.
func (w *Worker) explainDecision(q *Question, x *Explanation, a *arrival) {
	x.Worker, x.Port = w.number, w.comesIn(q)
	var d decision
	w.decide(a, &d, nil, nil)
	if d.service != nil {
		x.Service = serviceOf(d.service)
	}
	x.Verdict, x.Answer = d.verdict, w.answerTo(a, &d)
	switch {
	case d.verdict != DropNotOurs:
	case x.Answer != NoAnswer:
		x.Switches = append(x.Switches, SwitchNATICMP)
	case w.snap.passes(uint16(x.Port), a.key.Src, a.key.Dst):
		x.Verdict, x.Routed = Taken, true
		x.depart(w, a.key.Flow, a.key.Dst, 0)
	}
	w.explainHost(x, a)
	if d.server == nil {
		return
	}
	x.serve(w.snap, d.server, d.out.SrcPort)
	x.Kept, x.OnePacket = d.kept, d.lone
	if q.Protocol == packet.ProtocolTCP && !q.opens() {
		x.Switches = append(x.Switches, SwitchSloppyTCP)
	}
	if x.Verdict == Taken {
		x.Verdict = w.placeFor(a, &d)
	}
	if x.Verdict == Taken {
		x.leave(w, departure{
			server: d.server, mode: d.server.mode, direction: conntrack.Inbound,
			from: a.key.Flow, to: d.out.Reverse(), towards: d.server.address,
		})
	}
}

// placeFor returns Taken if a decision's session would find a place, or why not. One that replaces
// another, or takes its local port, takes its slot too.
func (w *Worker) placeFor(a *arrival, d *decision) Verdict {
	_, _, routed := w.snap.routes.next(d.server.address)
	switch {
	case !routed: // begin looks for the next hop first
	case d.service.step != 0 && !d.service.live.gate.has(d.service.step, w.now):
		return DropServiceRate
	case d.lone, a.over != 0:
	case w.refusesMore(a, d):
		return DropServiceFull
	case d.holder == 0 && w.sessions.Full(!a.key.Src.Is4(), w.now):
		return DropSessionsFull
	}
	return Taken
}

// ExplainedService describes the service that claims a packet.
type ExplainedService struct {
	Name      string
	Mode      lvs.Mode
	Scheduler sched.Kind
	// Engine finds templates by what is in packets, which a question does not have: it is answered
	// as for the first message of a call.
	Engine lvs.PersistenceEngine
}

func serviceOf(s *serviceEntry) *ExplainedService {
	return &ExplainedService{s.name, s.mode, s.sched, s.live.settings.PersistenceEngine}
}

// serve names the real server, at a port if it has every port, and its service.
func (x *Explanation) serve(n *snapshot, server *serverEntry, port uint16) {
	x.RealServer, x.ServerMode = server.at(port), server.mode
	if s, ok := n.serviceOf(server.service); ok {
		x.Service = serviceOf(s)
	}
}

// departure describes a packet that leaves: its flow, its mode and its destination.
type departure struct {
	server    *serverEntry
	mode      lvs.Mode
	direction conntrack.Direction
	from, to  packet.Flow // as it came, and as it leaves if the mode translates
	towards   packet.Addr
}

// leave fills in how a packet leaves: its addresses, its port and its next hop.
func (x *Explanation) leave(w *Worker, d departure) {
	way := &w.ways[d.mode][d.server.families]
	to := d.to
	if way.path != lvs.Translate {
		to = d.from
	}
	port, gateway, ok := x.depart(w, to, d.towards, int(way.overheads[d.direction]))
	if ok && way.path == lvs.Tunnel {
		from := w.snap.ports[port].sourceTowards(gateway).Netip()
		x.Tunnel = &Tunnel{from, d.server.id.Address.Addr()}
		if !w.snap.settings.PMTUDisc && d.from.Src.Is4() {
			x.Switches = append(x.Switches, SwitchPMTUDisc)
		}
	}
}

// depart fills in how a packet leaves with a flow towards an address, after its mode has added so
// many bytes. It returns the port and the next hop.
func (x *Explanation) depart(
	w *Worker, as packet.Flow, towards packet.Addr, overhead int,
) (port uint16, gateway packet.Addr, ok bool) {
	x.From = netip.AddrPortFrom(as.Src.Netip(), as.SrcPort)
	x.To = netip.AddrPortFrom(as.Dst.Netip(), as.DstPort)
	if gateway, port, ok = w.snap.routes.next(towards); !ok {
		x.Verdict = DropNoRoute
		return port, gateway, false
	}
	x.NextHop, x.PortOut, x.SourceMAC = gateway.Netip(), int(port), w.snap.ports[port].mac
	x.Neighbour = neighbour.Free.Meaning()
	x.MTULeft = w.neighbours.MTU(port) - overhead
	if h, known := w.neighbours.Lookup(gateway, port); known {
		x.resolve(w.neighbours.At(h), w.now)
	}
	return port, gateway, true
}

// resolve fills in what is known of the next hop, and what hold would do.
func (x *Explanation) resolve(n *neighbour.Entry, now uint32) {
	x.Neighbour = n.State().Meaning()
	switch {
	case n.HasMAC():
		x.MAC = n.MAC()
	case n.Unreachable(now):
		x.Verdict = DropNeighbourFailed
	}
}
