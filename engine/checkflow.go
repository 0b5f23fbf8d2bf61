package engine

import (
	"encoding/binary"

	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/ports"
)

// checkFlow is a connection of a health check.
type checkFlow struct {
	host, wire packet.Key // of the host's packets; of the real server's answers
	target     *CheckTarget
	server     *serverEntry // as it was when the flow began
	port       uint16       // whose host interface has it
	ending     bool
	ended      uint32 // ms: since when its target is closed; valid with ending
	place      int    // in the worker's list
}

// checkFlows are those of one worker. Those whose target is closed end after a moment, in which the
// last segments of a connection pass.
type checkFlows struct {
	byHost, byWire map[packet.Key]*checkFlow
	list           []*checkFlow // in no order
	next           int          // of the list, to be looked at
	turn           uint32       // of ports and local addresses
}

const (
	// mostCheckFlows bounds the flows of a worker: 10,000 a second, each with its moment, and more.
	mostCheckFlows = 1 << 15
	// checkLinger is that moment, in ms.
	checkLinger = 2000
	// sweptFlows is how many flows are looked at once in 10 ms.
	sweptFlows = 512
)

// Checks leave from ports that the host's own connections to the same real server do not use. In
// modes without translation those are all: the host has none to a VIP that is served here. In
// fullnat they are ports that no session uses.
const (
	firstCheckPort = 61000 // above ip_local_port_range as Linux has it
	firstLowPort   = 512
)

// checkPorts returns the ports from which checks leave, and the identifiers of their echo requests.
func checkPorts(m lvs.Mode, protocol uint8) (first, count uint32) {
	switch {
	case isEcho(protocol):
	case !m.TwoWay():
		return firstLocalPort, localPorts
	case m.Source() == lvs.Local:
		return firstLowPort, firstLocalPort - firstLowPort
	}
	return firstCheckPort, 1<<16 - firstCheckPort
}

// checkFlow returns the flow of a packet of the host, whose key is in hand, and begins it if there
// is none. It returns nil if there cannot be one.
func (w *Worker) checkFlow(port uint16, k *packet.Key) *checkFlow {
	if f := w.checks.byHost[*k]; f != nil {
		return f
	}
	t := w.engine.checks.at(k.Dst.Netip())
	if t == nil || t.closed.Load() || len(w.checks.list) == mostCheckFlows {
		return nil
	}
	f := &checkFlow{host: *k, target: t, server: w.checkedServer(t), port: port}
	if f.server == nil || !w.aim(f) {
		return nil
	}
	w.checks.add(f)
	return f
}

// checkedServer returns the real server of a target; nil if it was removed.
func (w *Worker) checkedServer(t *CheckTarget) *serverEntry {
	if int(t.id) >= len(w.snap.servers) {
		return nil
	}
	e := w.snap.servers[t.id]
	if e == nil || e.gone || e.incarnation != t.incarnation {
		return nil
	}
	return e
}

func (c *checkFlows) add(f *checkFlow) {
	if c.byHost == nil {
		c.byHost, c.byWire = map[packet.Key]*checkFlow{}, map[packet.Key]*checkFlow{}
	}
	c.byHost[f.host], c.byWire[f.wire] = f, f
	f.place = len(c.list)
	c.list = append(c.list, f)
}

func (c *checkFlows) end(f *checkFlow) {
	delete(c.byHost, f.host)
	delete(c.byWire, f.wire)
	last := len(c.list) - 1
	c.list[f.place], c.list[last].place = c.list[last], f.place
	c.list[last] = nil
	c.list = c.list[:last]
}

// aimTries bounds the search for a free port.
const aimTries = 256

// aim finds the flow of the answers: from the real server's address or the VIP, to an address of
// the director that real servers of the mode answer to.
func (w *Worker) aim(f *checkFlow) bool {
	service, ok := w.snap.serviceOf(f.server.service)
	if !ok {
		return false
	}
	mode, k := f.server.mode, &f.wire
	k.Protocol, k.Src, k.SrcPort = f.host.Protocol, service.first, f.host.DstPort
	if mode.TwoWay() {
		k.Src = f.server.address
		if isEcho(k.Protocol) && f.server.families.mixed() {
			return false
		}
	}
	first, count := checkPorts(mode, k.Protocol)
	for range aimTries {
		w.checks.turn++
		k.DstPort = uint16(first + w.checks.turn%count)
		if k.Dst, ok = w.checkSource(f, service); !ok {
			return false
		}
		if w.checks.byWire[*k] == nil && w.ownsCheck(k) {
			return true
		}
	}
	return false
}

// ownsCheck reports whether answers with a key come to this worker.
func (w *Worker) ownsCheck(k *packet.Key) bool {
	return len(w.engine.workers) == 1 || w.checkOwner(k) == w.number
}

// checkOwner returns the worker that has a check whose answers have a key.
func (w *Worker) checkOwner(k *packet.Key) int {
	if kind, ours := w.snap.kindOf(k.Dst); ours && kind.isLocal() {
		return w.answerOwner(k)
	}
	return int(k.DstPort) % len(w.engine.workers)
}

// checkSource returns the address from which a check leaves. In fullnat it is a local one. Real
// servers of nat send their answers to their gateway if the address is not of their own subnet, as
// they do with clients'; so one of another subnet comes first.
func (w *Worker) checkSource(f *checkFlow, service *serviceEntry) (packet.Addr, bool) {
	mode := f.server.mode
	if mode.Source() == lvs.Local {
		locals := service.local[f.server.families.server()].addresses
		if len(locals) == 0 {
			return packet.Addr{}, false
		}
		return locals[int(w.checks.turn)%len(locals)], true
	}
	_, port, ok := w.snap.routes.next(f.server.address)
	if !ok {
		return packet.Addr{}, false
	}
	if mode.TwoWay() {
		if a, ok := w.snap.beyond(f.server.address); ok {
			return a, true
		}
	}
	towards := f.server.address
	if towards.Is4() != f.wire.Src.Is4() {
		towards = f.wire.Src
	}
	a := w.snap.ports[port].sourceTowards(towards)
	return a, a != packet.Addr{}
}

// beyond returns an own address that is not of a real server's subnet.
func (n *snapshot) beyond(server packet.Addr) (packet.Addr, bool) {
	a := server.Netip()
	for i := range n.ports {
		for _, p := range n.ports[i].own {
			if p.Addr().Is4() == server.Is4() && !p.Contains(a) && !p.Addr().IsLinkLocalUnicast() {
				return packet.AddrOf(p.Addr()), true
			}
		}
	}
	return packet.Addr{}, false
}

// sweepChecks ends flows whose check is over.
func (w *Worker) sweepChecks() {
	c := &w.checks
	for range min(sweptFlows, len(c.list)) {
		if c.next >= len(c.list) {
			c.next = 0
		}
		f := c.list[c.next]
		if f.ending && w.now-f.ended >= checkLinger {
			c.end(f) // another one takes its place
			continue
		}
		if !f.ending && f.target.closed.Load() {
			f.ending, f.ended = true, w.now
		}
		c.next++
	}
}

// checkKey completes the key of a packet that may be a check's: the identifier of an echo stands
// for the port of its sender.
func (m *meta) checkKey(k *packet.Key, p *ports.Packet) {
	m.WriteKey(k, p.Bytes())
	if !isEcho(k.Protocol) {
		return
	}
	b := p.Bytes()[m.Transport:m.End]
	id := binary.BigEndian.Uint16(b[4:6])
	switch b[0] {
	case packet.ICMPEchoRequest, packet.ICMP6EchoRequest:
		k.SrcPort, k.DstPort = id, 0
	case packet.ICMPEchoReply, packet.ICMP6EchoReply:
		k.SrcPort, k.DstPort = 0, id
	}
}
