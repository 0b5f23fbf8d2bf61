package hostnet

import "time"

// Addresses are looked at at once, since a VIP may come or go with them; everything else waits for
// what else comes in a burst. After a look there is a rest, which is the longer the longer the look
// took: a kernel with many routes must not keep a CPU busy.
const (
	addressRest  = 5 * time.Millisecond
	burst        = 100 * time.Millisecond
	restByEffort = 4
)

// Pace says when to look at what may have changed. Its zero value says never.
type Pace struct {
	addresses, all look
}

// look is one kind of look.
type look struct {
	wanted bool
	due    time.Time // valid if wanted
	rested time.Time // no look before that
}

func (l *look) want(at time.Time) {
	if l.wanted {
		return
	}
	l.wanted, l.due = true, at
	if l.rested.After(at) {
		l.due = l.rested
	}
}

// done notes a look that took some time until now.
func (l *look) done(now time.Time, took, rest time.Duration) {
	*l = look{rested: now.Add(max(rest, restByEffort*took))}
}

// Note takes in an event.
func (p *Pace) Note(e Event, now time.Time) {
	if e&Addresses != 0 {
		p.addresses.want(now)
	}
	if e != 0 {
		p.all.want(now.Add(burst))
	}
}

// Again has everything looked at after a while, because a look failed.
func (p *Pace) Again(now time.Time, after time.Duration) { p.all.want(now.Add(after)) }

// Next returns when to look next; ok is false if there is nothing to look at.
func (p *Pace) Next() (at time.Time, ok bool) {
	switch {
	case p.addresses.wanted && (!p.all.wanted || p.addresses.due.Before(p.all.due)):
		return p.addresses.due, true
	case p.all.wanted:
		return p.all.due, true
	}
	return time.Time{}, false
}

// Due returns what to look at now: Everything, Addresses, or nothing.
func (p *Pace) Due(now time.Time) Event {
	switch {
	case p.all.wanted && !now.Before(p.all.due):
		return Everything
	case p.addresses.wanted && !now.Before(p.addresses.due):
		return Addresses
	}
	return 0
}

// Done notes that a look at what Due returned has ended, and how long it took.
func (p *Pace) Done(e Event, now time.Time, took time.Duration) {
	p.addresses.done(now, took, addressRest)
	if e == Everything {
		p.all.done(now, took, burst)
	}
}
