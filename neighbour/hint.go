package neighbour

import "fulcrum/packet"

// Hint is what a table knew of a station. It may have changed since.
type Hint struct {
	Address packet.Addr
	Port    uint16 // number of the port
	MAC     packet.MAC
	Proven  bool // the MAC has answered a question
}

// HintOf returns what the table knows of an entry, for a table that comes later. It returns false
// if there is nothing to say: the MAC is not known or was configured, or another station claims the
// address, or did within TrialTime.
func (t *Table) HintOf(h Hop) (Hint, bool) {
	e, r := &t.entries[h], &t.records[h]
	if !e.HasMAC() || e.state == Static || r.doubted || r.onTrial {
		return Hint{}, false
	}
	return Hint{e.Address, e.Port, e.MAC(), r.proven}, true
}

// Changes returns a number that is another one whenever HintOf may say something else of any entry.
func (t *Table) Changes() uint32 { return t.changes }

// unsay notes that HintOf says nothing of an entry any more.
func (t *Table) unsay(h Hop) {
	if _, said := t.HintOf(h); said {
		t.changes++
	}
}

// TakeHint adds the entry of a hint, unless its address is known or its MAC impossible. Packets go
// to its MAC at once, as with RFC 4861's STALE. Once one does, or if the configuration needs the
// entry, all stations are asked with one of the next ticks. So one that has moved answers too. A
// hint has the standing that its entry had, but gives way in a full table until it is used. now is
// in ms.
func (t *Table) TakeHint(hint *Hint, now uint32) {
	if _, known := t.index[key{hint.Address, hint.Port}]; known ||
		hint.MAC.IsZero() || !t.mayHave(hint.Port, hint.MAC) {
		return
	}
	h, ok := t.add(hint.Address, hint.Port, false, now)
	if !ok {
		return
	}
	t.entries[h].set(Stale, hint.MAC, t.ports[hint.Port].MAC, now)
	r := &t.records[h]
	r.proven, r.hint = hint.Proven, true
	r.asked = now - Retry // the first question need not wait
	t.changes++
	t.settle(h)
}

// isDue reports whether a stale entry is to be asked for, if anything goes there. Of a hint that a
// stranger's packet uses each worker asks at once, since none asks ahead of it.
func (t *Table) isDue(h Hop, now uint32) bool {
	e, r := &t.entries[h], &t.records[h]
	switch {
	case now-e.since >= DelayTime:
		return true
	case e.Pinned():
		return now-r.asked >= Retry+t.worker*Retry
	}
	return r.hint && e.Used
}
