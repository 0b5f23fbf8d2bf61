package engine

import (
	"sync"
	"sync/atomic"

	"fulcrum/packet"
)

// Announcements of new addresses: RFC 5227, section 1.1 (ANNOUNCE_NUM, ANNOUNCE_INTERVAL).
const (
	defaultAnnouncements = 2    // of an address
	announceInterval     = 2000 // ms between two announcements of an address
	// announceChunk bounds the addresses of a port that one turn looks at.
	announceChunk = 32
)

// announcement is an address to announce on a port.
type announcement struct {
	port    int
	address packet.Addr
}

// announcements are the addresses that are being announced. Control adds them; one worker announces
// them.
type announcements struct {
	added atomic.Uint64 // calls of add with new addresses so far

	mu    sync.Mutex // guards the fields below; the worker never waits for it
	ports []portAnnouncements
}

// portAnnouncements are the addresses that are being announced on one port. Each of them is in one
// of the three lists. An address that control adds again begins anew, so that the memory depends on
// the number of addresses, not on how often they come and go.
type portAnnouncements struct {
	tasks map[packet.Addr]*task
	fresh taskList // not announced yet
	more  taskList // announced in one form, and due in the other; or due to be announced again
	later taskList // due after announceInterval
	pace  pace
}

func (a *announcements) setPorts(n int) {
	a.ports = make([]portAnnouncements, n)
	for i := range a.ports {
		a.ports[i].tasks = map[packet.Addr]*task{}
	}
}

// add has addresses announced.
func (a *announcements) add(fresh []announcement) {
	if len(fresh) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range fresh {
		a.ports[n.port].add(n.address)
	}
	a.added.Add(1)
}

func (p *portAnnouncements) add(a packet.Addr) {
	t := p.tasks[a]
	switch {
	case t == nil:
		t = &task{address: a}
		p.tasks[a] = t
	case t.list == &p.fresh:
		return
	}
	t.frames = 0
	p.fresh.push(t)
}

func (p *portAnnouncements) forget(t *task) {
	t.leave()
	delete(p.tasks, t.address)
}

// due returns the next address to announce, or nil if none is due.
func (p *portAnnouncements) due(now uint32) *task {
	for t := p.later.first; t != nil && int32(now-t.due) >= 0; t = p.later.first {
		p.more.push(t)
	}
	if p.fresh.first != nil {
		return p.fresh.first
	}
	return p.more.first
}

// sent notes a frame about an address, which is to be announced so many times.
func (p *portAnnouncements) sent(t *task, times int, now uint32) {
	t.frames++
	switch forms := formsOf(t.address); {
	case t.frames >= forms*times:
		p.forget(t)
	case t.frames%forms != 0:
		p.more.push(t)
	default:
		t.due = now + announceInterval
		p.later.push(t)
	}
}

// formsOf returns how many frames one announcement has. Some hosts take a new MAC from a gratuitous
// ARP request only, others from a reply only (RFC 5944, section 4.6, allows both).
func formsOf(a packet.Addr) int {
	if a.Is4() {
		return 2
	}
	return 1
}

// hasToAnnounce reports whether addresses are to be announced. One worker does it for all.
func (w *Worker) hasToAnnounce() bool {
	return w.number == 0 &&
		(w.announcing || w.engine.announcements.added.Load() != w.announced)
}

// announce sends gratuitous ARP and unsolicited advertisements for the director's new addresses, so
// that switches and neighbours forget their former owner.
func (w *Worker) announce() {
	a := &w.engine.announcements
	added := a.added.Load()
	if !a.mu.TryLock() {
		return
	}
	defer a.mu.Unlock()
	w.update() // to a snapshot that has the addresses
	w.announced, w.announcing = added, false
	for port := range a.ports {
		p := &a.ports[port]
		w.announceSome(port, p)
		w.announcing = w.announcing || len(p.tasks) > 0
	}
}

// announceSome sends what is due on a port, as far as its pace allows. It forgets addresses that
// the director has given up or fallen silent about meanwhile.
func (w *Worker) announceSome(port int, p *portAnnouncements) {
	for range announceChunk {
		t := p.due(w.now)
		switch {
		case t == nil:
			return
		case !w.snap.announced(port, t.address):
			p.forget(t)
		case !p.pace.take(w.now), !w.announceOne(port, t.address, forms[t.frames%formsOf(t.address)]):
			return
		default:
			p.sent(t, w.snap.settings.announcements(), w.now)
		}
	}
}

// forms are those of an announcement by ARP, in the order in which they are sent.
var forms = [...]packet.ARPOp{packet.ARPRequest, packet.ARPReply}

// announceOne tells all stations on a port's network that an address is the director's. It returns
// false if there is no buffer for the frame.
func (w *Worker) announceOne(port int, a packet.Addr, form packet.ARPOp) bool {
	before := w.counters.totals.Originated
	if a.Is4() {
		w.sendARP(port, packet.Broadcast, gratuitousARP(w.snap.ports[port].mac, a, form))
	} else {
		w.sendND(port, packet.AllNodesMAC, w.neighbours.Advertisement(uint16(port), a))
	}
	return w.counters.totals.Originated != before
}

// gratuitousARP announces an address. In a reply the target's MAC is the sender's too (RFC 5944,
// section 4.6).
func gratuitousARP(mac packet.MAC, a packet.Addr, form packet.ARPOp) packet.ARPFields {
	f := packet.ARPFields{Op: form, SenderMAC: mac, SenderIP: a.V4(), TargetIP: a.V4()}
	if form == packet.ARPReply {
		f.TargetMAC = mac
	}
	return f
}

// AnnounceAgain has all addresses of a port announced again, since its network may have forgotten
// them or may be another one. Any goroutine may call it.
func (e *Engine) AnnounceAgain(port int) {
	n := e.snap.Load()
	var all []announcement
	for _, a := range sortedUnique(append(n.addresses.all(), n.rangedAddresses()...)) {
		if n.announced(port, a) {
			all = append(all, announcement{port, a})
		}
	}
	sortAnnouncements(all)
	e.announcements.add(all)
}
