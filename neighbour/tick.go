package neighbour

import "fulcrum/packet"

// Times of the resolution, in ms: those of RFC 4861 (section 10) and the kernel's defaults.
const (
	ReachableTime = 30_000  // after which a neighbour in use is asked again
	DelayTime     = 5_000   // after which a stale neighbour is asked, once packets go to it
	ForgetTime    = 600_000 // after which a neighbour that is neither used nor pinned is forgotten
	Retry         = 1_000   // between questions
	Tries         = 3       // questions without an answer until the state is Failed

	tickInterval = 100  // between looks at the table
	tickChunk    = 1024 // entries looked at in one tick, of those kept and of strangers
)

// What strangers may cause between two ticks (RFC 6583, 7.2): invented addresses must not become
// a flood of questions on the network, or of news among workers.
const (
	firstQuestions   = 128 // about strangers to which a packet goes
	furtherQuestions = 128 // about strangers for which no packet waits
	newsOfStrangers  = 128 // answers of stations that this worker does not know
)

// allowance is what is left of it until the next tick.
type allowance struct{ first, further, news int }

var fullAllowance = allowance{firstQuestions, furtherQuestions, newsOfStrangers}

// take uses one of a kind, if any is left.
func (allowance) take(kind *int) bool {
	if *kind == 0 {
		return false
	}
	*kind--
	return true
}

// mayAskFirst reports whether an entry may be asked for because of a packet to it.
func (t *Table) mayAskFirst(e *Entry) bool {
	return e.kept() || t.allowance.take(&t.allowance.first)
}

// mayAskAgain reports whether an entry may be asked for because of the time.
func (t *Table) mayAskAgain(e *Entry) bool {
	return e.kept() || e.queue != 0 || t.allowance.take(&t.allowance.further)
}

// Question is an ARP request or a neighbour solicitation that the caller sends.
type Question struct {
	Hop Hop        // whose MAC is asked for; 0 if there is nothing to ask
	To  packet.MAC // the station to ask; zero for all on the port's network
}

// Work is what the caller has to do. The slices belong to the table, and are valid until the next
// Tick or SetTopology.
type Work struct {
	Learnt []Hop      // their MAC has become known: send the packets that Take returns
	Failed []Hop      // they did not answer: drop the packets that Take returns
	Ask    []Question // questions to send
}

func (t *Table) begin() {
	t.work = Work{t.work.Learnt[:0], t.work.Failed[:0], t.work.Ask[:0]}
}

// addQuestion appends a question unless it is empty.
func (t *Table) addQuestion(q Question) {
	if q.Hop != 0 {
		t.work.Ask = append(t.work.Ask, q)
	}
}

// Tick repeats questions, gives up stations and forgets entries. It looks at a bounded number of
// entries, at most ten times a second. Those of the configuration, and those for which packets
// wait, do not wait for their turn among strangers. now is in ms.
func (t *Table) Tick(now uint32) Work {
	t.begin()
	if now-t.last < tickInterval {
		return t.work
	}
	t.last = now
	t.allowance = fullAllowance
	t.ageAll(kept, now)
	t.ageAll(waiting, now)
	for range min(tickChunk, len(t.entries)-1) {
		if t.next++; t.next >= len(t.entries) {
			t.next = 1
		}
		if c := t.records[t.next].class; c != kept && c != waiting {
			t.age(Hop(t.next), now)
		}
	}
	return t.work
}

// ageAll does what is due for the entries of a class, in turn if they are many.
func (t *Table) ageAll(c class, now uint32) {
	l := &t.lists[c]
	for range min(tickChunk, l.n) {
		h := l.head
		if h == 0 {
			return
		}
		t.renew(h)
		t.age(h, now)
	}
}

// age does what is due for one entry.
func (t *Table) age(h Hop, now uint32) {
	e, r := &t.entries[h], &t.records[h]
	if e.wanted && now-e.wish >= WantLapse {
		e.wanted = false
		t.settle(h)
	}
	t.reexamine(h, now)
	elapsed := now - e.since
	switch e.state {
	case Reachable:
		// One worker after the other: the first tells the others the answer before they would ask.
		if elapsed >= ReachableTime+t.worker*Retry {
			t.ageStale(h, now)
		}
	case Stale:
		if t.isDue(h, now) {
			t.ageStale(h, now)
		}
	case Incomplete, Probing:
		if elapsed >= r.patience() {
			t.askAgain(h, now)
		}
	case Failed:
		if elapsed >= ForgetTime && !e.Pinned() {
			t.forget(h)
		} else if elapsed >= Retry && e.Pinned() {
			t.addQuestion(t.restart(h, now))
		}
	}
}

// ageStale asks for an entry whose MAC may have changed, if anything goes there.
func (t *Table) ageStale(h Hop, now uint32) {
	e := &t.entries[h]
	switch {
	case e.Used || e.Pinned():
		if t.mayAskAgain(e) {
			e.state, e.tries = Probing, 0
			t.addQuestion(t.ask(h, now))
		}
	case e.Age(now) >= ForgetTime:
		t.forget(h)
	default:
		e.state = Stale
	}
}

// patience returns how long an answer is waited for, in ms.
func (r *record) patience() uint32 {
	if r.doubted {
		return disputeRetry
	}
	return Retry
}

// askAgain repeats the question or gives up. It first looks for a station with a known MAC on the
// whole network, because its address may have moved.
func (t *Table) askAgain(h Hop, now uint32) {
	e, r := &t.entries[h], &t.records[h]
	switch {
	case e.tries < Tries:
		if t.mayAskAgain(e) {
			t.addQuestion(t.ask(h, now))
		}
	case e.state == Probing:
		r.doubted, r.heard = false, false
		t.addQuestion(t.restart(h, now))
	default:
		e.state, e.since, e.Used = Failed, now, false
		t.unanswered++
		t.work.Failed = append(t.work.Failed, h)
		t.settle(h)
	}
}

// restart begins the resolution again.
func (t *Table) restart(h Hop, now uint32) Question {
	e := &t.entries[h]
	if e.tries = 0; e.state != Incomplete {
		t.renewals++
		t.unsay(h)
		e.state = Incomplete
		t.settle(h)
	}
	return t.ask(h, now)
}

// ask counts a question and returns it. It goes to the known MAC of an entry that is probed. It
// goes to all if there is none, if it must be seen whether another station answers too, and if it
// is the first about a hint.
func (t *Table) ask(h Hop, now uint32) Question {
	e, r := &t.entries[h], &t.records[h]
	e.tries++
	e.since, r.asked = now, now
	q := Question{Hop: h}
	if e.state == Probing && !r.onTrial && !r.hint && (r.proven || !e.kept()) {
		q.To = e.MAC()
	}
	r.hint = false
	return q
}
