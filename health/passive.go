package health

import (
	"fmt"
	"net/netip"
	"time"
)

// What passive checks go by.
const (
	// clientsToEject is how many clients in a row a real server must fail. It is small, since some
	// services have few clients; what protects a real server that works is that every answer counts
	// more than all failures before it.
	clientsToEject = 3
	// clientsToEjectAgain is the same for one that has come back and has not yet answered anybody.
	clientsToEjectAgain = 2
	// settleTime is how long a real server must have answered nobody since the first of them asked.
	settleTime = 200 * time.Millisecond
	// failureMemory is how long a failure counts. It is longer than a session without answer lasts.
	failureMemory = 10 * time.Minute
	// mostClients bounds the clients that are remembered of each real server.
	mostClients = 8

	// firstEjection doubles each time up to longestEjection.
	firstEjection   = 5 * time.Second
	longestEjection = time.Hour
	// calmTime is how long a real server must have been in without being ejected, but at least as
	// long as it was out, so that its next ejection is a first one again.
	calmTime = 5 * time.Minute

	// mostOut is the part of the real servers, 1 / mostOut, that may be out.
	mostOut = 2
)

// FailureKind is how a real server failed a client.
type FailureKind uint8

// The kinds of failures.
const (
	Unanswered FailureKind = iota // no answer to the request for a connection
	Refused                       // the answer was a reset or an ICMP error
	// Mute is no answer to datagrams. It counts only for real servers that have answered others: some
	// protocols have no answers.
	Mute
)

// Failure is a client that a real server failed.
type Failure struct {
	Client uint32 // tells clients apart
	Kind   FailureKind
	At     time.Time // when the client asked
}

// Seen is what was seen of a real server since the last time.
type Seen struct {
	Answered    time.Time // when it last answered a new session; zero if it has not
	Failures    []Failure
	Unreachable bool // it does not answer ARP or neighbour solicitations
}

// Candidate is a real server of the service as Judge sees it.
type Candidate struct {
	Server netip.AddrPort
	Takes  bool // its weight is not 0
	Up     bool // by its check, or without one
}

// Passive judges the real servers of one service by what clients' sessions came to. Make one by
// NewPassive.
//
// A real server is ejected if it failed several clients in a row, while another real server of the
// service answered: if all fail, the fault is as likely on this side, or there is more load than
// all of them can bear. At most half of the real servers are out, those counted that are down by
// their checks. An ejection ends after a time that doubles with each.
type Passive struct {
	servers  map[netip.AddrPort]*observed
	quiet    bool // nothing is to be judged until something is noted
	doubting bool
	counts   PassiveCounts
}

// PassiveCounts are sums since the start.
type PassiveCounts struct {
	Ejections uint64
	// Doubts counts how often a real server failed clients while no other one answered.
	Doubts uint64
}

// observed is what is remembered of a real server.
type observed struct {
	clients     [mostClients]Failure // a zero At is none
	answered    time.Time
	unreachable bool
	up          bool // by its check, when it was last judged

	out       bool
	cause     cause
	until     time.Time // the end of its ejection, or of the last one
	back      time.Time // when it came back
	lasted    time.Duration
	times     int    // ejections since it was calm
	confirmed bool   // it has answered since it came back
	why       string // it came back
}

// NewPassive returns a Passive that knows of no real server.
func NewPassive() *Passive {
	return &Passive{servers: map[netip.AddrPort]*observed{}, quiet: true}
}

// Keep has it know these real servers and no others. Those that it knew keep what is known.
func (p *Passive) Keep(all []netip.AddrPort) {
	kept := make(map[netip.AddrPort]*observed, len(all))
	for _, a := range all {
		if kept[a] = p.servers[a]; kept[a] == nil {
			kept[a] = &observed{up: true}
		}
	}
	p.servers, p.quiet = kept, false
}

// Note takes what was seen of a real server.
func (p *Passive) Note(server netip.AddrPort, s *Seen) {
	o := p.servers[server]
	if o == nil {
		return
	}
	if s.Answered.After(o.answered) {
		o.answered = s.Answered
	}
	for i := range s.Failures {
		o.remember(&s.Failures[i])
	}
	if len(s.Failures) > 0 || s.Unreachable != o.unreachable {
		p.quiet = false
	}
	o.unreachable = s.Unreachable
}

// remember keeps a failure in place of an earlier one of its client, or of the oldest.
func (o *observed) remember(f *Failure) {
	oldest := 0
	for i := range o.clients {
		was := &o.clients[i]
		if was.Client == f.Client && !was.At.IsZero() {
			if f.At.After(was.At) {
				*was = *f
			}
			return
		}
		if was.At.Before(o.clients[oldest].At) {
			oldest = i
		}
	}
	if o.clients[oldest].At.Before(f.At) {
		o.clients[oldest] = *f
	}
}

// Judge ejects real servers and ends ejections, and reports whether it did. all are the real
// servers of the service; those that Keep did not name are never out.
func (p *Passive) Judge(now time.Time, all []Candidate) (changed bool) {
	if p.quiet {
		return false
	}
	for i := range all {
		if o := p.servers[all[i].Server]; o != nil && o.pass(now, all[i].Up) {
			changed = true
		}
	}
	changed = p.limit(now, all) || changed
	changed = p.ejectAll(now, all) || changed
	p.settle(now)
	return changed
}

// pass ends an ejection whose time is over, or that a check has seen end, and notes what the time
// brings.
func (o *observed) pass(now time.Time, up bool) (changed bool) {
	recovered := up && !o.up
	o.up = up
	if !o.out {
		o.confirmed = o.confirmed || o.answered.After(o.back)
		if o.times > 0 && now.Sub(o.back) >= max(calmTime, o.lasted) {
			o.times = 0
		}
		return false
	}
	switch {
	case recovered:
		o.comeBack(now, "its check is good again")
	case now.Before(o.until) || o.unreachable:
		return false
	default:
		o.comeBack(now, fmt.Sprintf("tried again after %v", o.lasted))
	}
	return true
}

// comeBack gives a real server sessions again. Nothing counts that clients asked before.
func (o *observed) comeBack(now time.Time, why string) {
	o.out, o.back, o.confirmed, o.why = false, now, false, why
}

// room returns how many real servers may be out besides those that are down by their checks, and
// how many are.
func (p *Passive) room(all []Candidate) (most, out int) {
	takes, down := 0, 0
	for i := range all {
		switch c := &all[i]; {
		case !c.Takes:
			continue
		case !c.Up:
			down++
		case p.Out(c.Server):
			out++
		}
		takes++
	}
	return max(0, takes/mostOut-down), out
}

// limit ends ejections if too few real servers are left, or if all have become unreachable. Those
// that would end first do so first.
func (p *Passive) limit(now time.Time, all []Candidate) (changed bool) {
	most, out := p.room(all)
	if p.allUnreachable(all) {
		most = 0
	}
	for ; out > most; out-- {
		var first *observed
		for i := range all {
			o := p.servers[all[i].Server]
			if all[i].Takes && all[i].Up && o != nil && o.out && (first == nil || o.until.Before(first.until)) {
				first = o
			}
		}
		first.comeBack(now, "too few others were left")
		changed = true
	}
	return changed
}

func (p *Passive) allUnreachable(all []Candidate) bool {
	for i := range all {
		if o := p.servers[all[i].Server]; all[i].Takes && all[i].Up && (o == nil || !o.unreachable) {
			return false
		}
	}
	return true
}

// ejectAll ejects the real servers that fail their clients.
func (p *Passive) ejectAll(now time.Time, all []Candidate) (changed bool) {
	doubt := false
	most, out := p.room(all)
	for i := range all {
		o := p.servers[all[i].Server]
		if out >= most || o == nil || o.out || !all[i].Takes || !all[i].Up {
			continue
		}
		c, since, fails := o.failing(now)
		switch {
		case !fails:
		case !p.othersWork(all, i, c, since):
			doubt = true
		default:
			o.eject(now, c)
			p.counts.Ejections++
			out, changed = out+1, true
		}
	}
	if doubt && !p.doubting {
		p.counts.Doubts++
	}
	p.doubting = doubt
	return changed
}

// eject takes a real server out, each time for twice as long.
func (o *observed) eject(now time.Time, c cause) {
	o.lasted = longestEjection
	if shift := min(o.times, 30); firstEjection<<shift < longestEjection {
		o.lasted = firstEjection << shift
	}
	o.out, o.cause, o.until = true, c, now.Add(o.lasted)
	o.times++
}

// failing reports whether a real server fails its clients, why, and since when.
func (o *observed) failing(now time.Time) (c cause, since time.Time, fails bool) {
	if o.unreachable {
		return cause{unreachable: true}, now, true
	}
	since = now
	for i := range o.clients {
		f := &o.clients[i]
		if !o.counts(now, f) {
			continue
		}
		c.clients[f.Kind]++
		if f.At.Before(since) {
			since = f.At
		}
	}
	return c, since, c.sum() >= o.needed() && now.Sub(since) >= settleTime
}

// counts reports whether a failure still says something: the real server has not answered anybody
// since, and the failure is not older than its last return.
func (o *observed) counts(now time.Time, f *Failure) bool {
	switch {
	case f.At.IsZero() || now.Sub(f.At) > failureMemory:
		return false
	case f.Kind == Mute && o.answered.IsZero():
		return false
	}
	return f.At.After(o.answered) && !f.At.Before(o.back)
}

func (o *observed) needed() int {
	if o.times > 0 && !o.confirmed {
		return clientsToEjectAgain
	}
	return clientsToEject
}

// othersWork reports whether another real server that gets sessions has answered since a time, or
// can be reached, if that is the matter.
func (p *Passive) othersWork(all []Candidate, but int, c cause, since time.Time) bool {
	for i := range all {
		o := p.servers[all[i].Server]
		if i == but || !all[i].Takes || !all[i].Up || o == nil || o.out {
			continue
		}
		if c.unreachable && !o.unreachable || !c.unreachable && o.answered.After(since) {
			return true
		}
	}
	return false
}

// settle notes whether there is anything to judge before something is noted.
func (p *Passive) settle(now time.Time) {
	p.quiet = true
	for _, o := range p.servers {
		if o.out || o.unreachable || o.times > 0 || o.remembers(now) {
			p.quiet = false
			return
		}
	}
}

// remembers reports whether any failure still counts.
func (o *observed) remembers(now time.Time) bool {
	for i := range o.clients {
		if o.counts(now, &o.clients[i]) {
			return true
		}
	}
	return false
}

// Out reports whether a real server is ejected.
func (p *Passive) Out(server netip.AddrPort) bool {
	o := p.servers[server]
	return o != nil && o.out
}

// Counts returns the sums since the start.
func (p *Passive) Counts() PassiveCounts { return p.counts }
