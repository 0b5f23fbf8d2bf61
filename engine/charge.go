package engine

import "fulcrum/conntrack"

// charge takes what a decision's session needs from the limits of its service and of its source.
// The service's rate is looked at first, since that costs least in a flood. A source that is beyond
// its own limits takes nothing from its service.
func (w *Worker) charge(a *arrival, d *decision) Verdict {
	s := d.service
	if s.step != 0 && !s.live.gate.has(s.step, w.now) {
		return DropServiceRate
	}
	if v := w.chargeSource(a, d); v != Taken {
		return v
	}
	if s.step != 0 && !s.live.gate.take(s.step, w.now) { // another worker took the last token
		w.refund(a, d)
		return DropServiceRate
	}
	return Taken
}

func (w *Worker) chargeSource(a *arrival, d *decision) Verdict {
	d.counted = false
	l := d.sourceLimits()
	if l.none() {
		return Taken
	}
	result := w.snap.sources.admit(sourceKeyOf(d.service.live, a.key.Src), l, w.now)
	d.counted = result.counted
	if result.unlimited {
		w.counters.totals.Unlimited++
	}
	if result.forgot {
		w.counters.totals.SourcesForgotten++
	}
	return result.verdict
}

// resumeSource counts a session of the run before that counted towards its source, if its service
// still limits them.
func (w *Worker) resumeSource(
	to *conntrack.Session, s *conntrack.KeptSession, service *serviceEntry,
) {
	if s.Flags&conntrack.BySource == 0 || service.source.most == 0 {
		return
	}
	if !w.snap.sources.resume(sourceKeyOf(service.live, s.In().Src), w.now) {
		w.counters.totals.Unlimited++
		return
	}
	to.Flags |= conntrack.BySource
}

// refund gives a source back what charge took, because the session does not begin.
func (w *Worker) refund(a *arrival, d *decision) {
	if l := d.sourceLimits(); !l.none() {
		w.snap.sources.withdraw(sourceKeyOf(d.service.live, a.key.Src), l, d.counted)
	}
}

// sourceLimits returns the limits of a decision's source. A datagram that is forwarded alone begins
// no session.
func (d *decision) sourceLimits() sourceLimits {
	l := d.service.source
	if d.lone {
		l.most = 0
	}
	return l
}

// affords returns what charge would return. It changes nothing.
func (w *Worker) affords(a *arrival, d *decision) Verdict {
	s, l := d.service, d.sourceLimits()
	switch {
	case s.step != 0 && !s.live.gate.has(s.step, w.now):
		return DropServiceRate
	case l.none():
		return Taken
	}
	ended := uint32(0)
	if a.over != 0 && w.sessions.At(a.over.Slot()).Flags&conntrack.BySource != 0 {
		ended = 1
	}
	return w.snap.sources.verdict(sourceKeyOf(s.live, a.key.Src), l, ended, w.now)
}

// leaveSource ends a session that counts towards its source.
func (w *Worker) leaveSource(slot uint32, of *liveService) {
	client := w.sessions.Flow(slot, conntrack.Inbound).Src
	w.snap.sources.leave(sourceKeyOf(of, client))
}
