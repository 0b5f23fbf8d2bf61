package neighbour

import "fulcrum/packet"

// Times of the resolution, in ms: those of RFC 4861 (section 10) and the kernel's defaults.
const (
	ReachableTime = 30_000  // after which a neighbour in use is asked again
	ForgetTime    = 600_000 // after which a neighbour that is neither used nor pinned is forgotten
	Retry         = 1_000   // between questions
	Tries         = 3       // questions without an answer until the state is Failed

	tickInterval = 100  // between looks at the table
	tickChunk    = 1024 // entries looked at in one tick
)

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

// add appends a question unless it is empty.
func (t *Table) add(q Question) {
	if q.Hop != 0 {
		t.work.Ask = append(t.work.Ask, q)
	}
}

// Tick repeats questions, gives up stations and forgets entries. It looks at a bounded number of
// entries, at most ten times a second. now is in ms.
func (t *Table) Tick(now uint32) Work {
	t.begin()
	if now-t.last < tickInterval {
		return t.work
	}
	t.last = now
	for range min(tickChunk, len(t.entries)-1) {
		if t.next++; t.next >= len(t.entries) {
			t.next = 1
		}
		t.age(Hop(t.next), now)
	}
	return t.work
}

// age does what is due for one entry.
func (t *Table) age(h Hop, now uint32) {
	e := &t.entries[h]
	if e.wanted && now-e.wish >= WantLapse {
		e.wanted = false
	}
	elapsed := now - e.since
	switch e.state {
	case Reachable:
		// One worker after the other: the first tells the others the answer before they would ask.
		if elapsed >= ReachableTime+t.worker*Retry && (e.Used || e.Pinned()) {
			e.state = Probing
			t.add(t.ask(h, now))
		} else if elapsed >= ForgetTime && !e.Pinned() {
			t.forget(h)
		}
	case Incomplete, Probing:
		if elapsed >= Retry {
			t.askAgain(h, now)
		}
	case Failed:
		if elapsed >= ForgetTime && !e.Pinned() {
			t.forget(h)
		} else if elapsed >= Retry && e.Pinned() {
			t.add(t.restart(h, now))
		}
	}
}

// askAgain repeats the question or gives up. It first looks for a station with a known MAC on the
// whole network, because its address may have moved.
func (t *Table) askAgain(h Hop, now uint32) {
	e := &t.entries[h]
	switch {
	case e.tries < Tries:
		t.add(t.ask(h, now))
	case e.state == Probing:
		t.add(t.restart(h, now))
	default:
		e.state, e.since, e.Used = Failed, now, false
		t.unanswered++
		t.work.Failed = append(t.work.Failed, h)
	}
}

// restart begins the resolution again.
func (t *Table) restart(h Hop, now uint32) Question {
	e := &t.entries[h]
	e.state, e.tries = Incomplete, 0
	return t.ask(h, now)
}

// ask counts a question and returns it: to the known MAC of an entry that is probed, else to all.
func (t *Table) ask(h Hop, now uint32) Question {
	e := &t.entries[h]
	e.tries++
	e.since = now
	q := Question{Hop: h}
	if e.state == Probing {
		q.To = e.MAC()
	}
	return q
}
