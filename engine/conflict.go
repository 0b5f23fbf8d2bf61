package engine

import (
	"container/list"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fulcrum/packet"
)

const (
	// defendInterval is the least time in ms between two broadcasts that defend one address: RFC
	// 5227, section 1.1 (DEFEND_INTERVAL) and section 2.4 (c), which is for hosts that keep their
	// address in any case. Two stations that both do would otherwise flood the network.
	defendInterval = 10_000
	// conflictOver is how long nobody else claims an address until the next claim is a new conflict,
	// in ms.
	conflictOver = 60_000
	// conflictKept is how long after its last claim a conflict is listed, in ms.
	conflictKept = 3_600_000
	// maxConflicts bounds the conflicts that are remembered.
	maxConflicts = 1024
)

// defenceRate bounds the broadcasts that defend addresses, of the whole director.
var defenceRate = rate{100, 50}

// Conflict is another station's claim to an address of the director.
type Conflict struct {
	Address netip.Addr
	Port    int           // index of the port where the station was heard
	MAC     packet.MAC    // of the station that was heard last
	Claims  uint64        // messages that claimed the address, or asked whether it is free
	Age     time.Duration // since the last of them
	// Number counts conflicts from 1 on. An address has the same number until no station claims it
	// for a minute, or another station does, at least 10 s later.
	Number uint64
}

// conflicts are the addresses of the director that other stations claim. Any worker may use them.
type conflicts struct {
	last   atomic.Uint64 // number of the last conflict
	bucket atomic.Uint64 // of defenceRate

	mu    sync.Mutex // guards the fields below; workers never wait for it
	known map[announcement]*list.Element
	order list.List // of *claim; the one that was heard last comes first
}

// claim is what is known of a conflict. Times are in ms.
type claim struct {
	announcement
	mac          packet.MAC
	claims       uint64
	number       uint64
	began, heard uint32
	defended     uint32
	defence      bool // defended is valid
}

// elapsed returns the time from then to now in ms. The clock of the worker that noted then may be
// ahead.
func elapsed(now, then uint32) uint32 {
	if then-now < bucketSkew {
		return 0
	}
	return now - then
}

// note remembers a claim to an address and reports whether to defend the address by a broadcast. A
// probe is not defended: it is answered. While someone else uses the conflicts, note does nothing:
// a worker must not wait.
func (c *conflicts) note(where announcement, mac packet.MAC, probe bool, now uint32) (defend bool) {
	if !c.mu.TryLock() {
		return false
	}
	defer c.mu.Unlock()
	e := c.find(where, now)
	if e == nil {
		return false
	}
	if e.number == 0 || elapsed(now, e.heard) >= conflictOver ||
		e.mac != mac && elapsed(now, e.began) >= defendInterval {
		e.number, e.began = c.last.Add(1), now
	}
	e.mac, e.heard = mac, now
	e.claims++
	if probe || e.defence && elapsed(now, e.defended) < defendInterval ||
		!defenceRate.takeFrom(&c.bucket, now) {
		return false
	}
	e.defended, e.defence = now, true
	return true
}

// find returns the claim to an address and makes it the first. If there is none, it makes one, if
// need be in the place of the one that was heard longest ago. It returns nil if that is still being
// defended.
func (c *conflicts) find(where announcement, now uint32) *claim {
	at, known := c.known[where]
	switch {
	case known:
		c.order.MoveToFront(at)
		return at.Value.(*claim)
	case c.order.Len() >= maxConflicts && !c.dropLast(now):
		return nil
	}
	if c.known == nil {
		c.known = map[announcement]*list.Element{}
	}
	e := &claim{announcement: where}
	c.known[where] = c.order.PushFront(e)
	return e
}

// dropLast forgets the claim that was heard longest ago, unless that is still being defended.
func (c *conflicts) dropLast(now uint32) bool {
	at := c.order.Back()
	e := at.Value.(*claim)
	if elapsed(now, e.heard) < defendInterval {
		return false
	}
	c.order.Remove(at)
	delete(c.known, e.announcement)
	return true
}

// list returns the conflicts of the last hour about addresses that a snapshot still answers for,
// the last one first. It forgets older ones.
func (c *conflicts) list(n *snapshot, now uint32) (all []Conflict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.order.Len() > 0 {
		if e := c.order.Back().Value.(*claim); elapsed(now, e.heard) < conflictKept {
			break
		}
		c.dropLast(now)
	}
	for at := c.order.Front(); at != nil; at = at.Next() {
		if e := at.Value.(*claim); n.announced(e.port, e.address) {
			all = append(all, e.conflict(now))
		}
	}
	return all
}

func (e *claim) conflict(now uint32) Conflict {
	return Conflict{
		Address: e.address.Netip(), Port: e.port, MAC: e.mac, Claims: e.claims, Number: e.number,
		Age: time.Duration(elapsed(now, e.heard)) * time.Millisecond,
	}
}

// Conflicts returns the addresses of the director that other stations claimed in the last hour, the
// last one first. Any goroutine may call it.
func (e *Engine) Conflicts() []Conflict {
	return e.conflicts.list(e.snap.Load(), NewClock().Now())
}

// LastConflict returns the number of the last conflict, or 0. It costs one atomic load.
func (e *Engine) LastConflict() uint64 { return e.conflicts.last.Load() }

// contested handles a station's claim to an address on a port: a message with the address as the
// station's own, or a probe, which asks whether the address is free. An address that the director
// does not answer for there is not contested, and the director's own ports are no other stations.
func (w *Worker) contested(port uint16, a packet.Addr, by packet.MAC, probe bool) {
	ours := func(p portEntry) bool { return p.mac == by }
	if !w.snap.announced(int(port), a) || slices.ContainsFunc(w.snap.ports, ours) {
		return
	}
	w.counters.ports[port].Conflicts++
	if w.engine.conflicts.note(announcement{int(port), a}, by, probe, w.now) {
		w.announceOne(int(port), a, packet.ARPRequest)
	}
}

// contestedARP looks for a claim in an ARP packet whose sender is no stranger. A probe is a
// broadcast without a sender's address (RFC 5227, section 1.1). Switches that watch their stations
// ask each of them in the same way, but not by broadcast.
func (w *Worker) contestedARP(port uint16, e packet.Ethernet, a packet.ARP) {
	sender, probe := a.SenderIP(), false
	if sender == 0 && a.Op() == packet.ARPRequest && e.Dst() == packet.Broadcast {
		sender, probe = a.TargetIP(), true
	}
	w.contested(port, packet.AddrOf4(sender), a.SenderMAC(), probe)
}

// contestedND looks for a claim in a message of neighbour discovery whose sender is no stranger: an
// advertisement (RFC 4862, section 5.4.4), a solicitation from an address of the director, or one
// from no address, by which a station asks whether the address is free (section 5.4.3).
func (w *Worker) contestedND(port uint16, e packet.Ethernet, n *packet.ND) {
	claimed, probe := n.Src, n.Src == packet.Addr{}
	if probe || n.Type == packet.ICMP6Advertisement {
		claimed = n.Target
	}
	mac := n.LinkLayer
	if mac.IsZero() {
		mac = e.Src()
	}
	w.contested(port, claimed, mac, probe && n.Type == packet.ICMP6Solicitation)
}
