package engine

import "fulcrum/lvs"

// Displays may count from a moment that a user has chosen (control.Running.Zero). The counters at
// that moment are kept beside the counters, so that a restart does not make displays go up.

// zero is the record of counters that are displayed as zero.
type zero struct {
	slot    int
	counted Traffic
}

// KeepZero keeps the counters of a real server that are displayed as zero from now on; those of a
// service if id has no address. It does nothing in an engine that keeps no counters. Any goroutine
// may call it.
func (e *Engine) KeepZero(id lvs.RealServerID, t Traffic) {
	if e.kept == nil {
		return
	}
	k := &e.kept.counters
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file != nil {
		e.keepZero(id, t)
	}
}

// keepZero is KeepZero for a caller that has locked the counters.
func (e *Engine) keepZero(id lvs.RealServerID, t Traffic) {
	k := &e.kept.counters
	z, found := k.zeroes[id]
	if !found {
		z.slot = e.takeRecord(serverKey(zeroedCount, id))
	}
	z.counted = t
	k.zeroes[id] = z
	k.file.set(z.slot, countsOf(t))
}

// Zeroes returns what KeepZero has kept, in the runs before too. Any goroutine may call it.
func (e *Engine) Zeroes() map[lvs.RealServerID]Traffic {
	if e.kept == nil {
		return nil
	}
	k := &e.kept.counters
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make(map[lvs.RealServerID]Traffic, len(k.zeroes))
	for id, z := range k.zeroes {
		all[id] = z.counted
	}
	return all
}

// takeOverZeroes takes over those of the services and real servers that the run before has known to
// its end.
func (e *Engine) takeOverZeroes(before *counted) {
	for id, n := range before.zeroed {
		if _, known := before.traffic[id]; known {
			e.keepZero(id, n.traffic())
		}
	}
}

// dropZero forgets a real server, or a service, that the director has forgotten: its counters begin
// anew if it comes back. The caller has locked the counters.
func (k *keptCounters) dropZero(id lvs.RealServerID) {
	if z, found := k.zeroes[id]; found {
		delete(k.zeroes, id)
		k.file.giveBack(z.slot)
	}
}
