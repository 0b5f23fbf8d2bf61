package neighbour

import "fulcrum/packet"

// Anyone on a network can say that an address is at another MAC. So such a claim does not move a
// station that has answered a question. The MAC that it has is asked first:
//
//   - It answers: the station stays, and the claim was refused.
//   - It does not: all stations are asked, and the first answer counts. That is a fail-over, and
//     takes disputeTries questions, disputeRetry apart: 0.9 s.
//
// A MAC that came in this way is on trial for TrialTime. Until then all stations are asked whenever
// the entry is asked for, so that the MAC that was there before hears it. If that one answers too,
// it gets its place back. So a forger who came while the station was silent cannot stay once the
// station is back, although the forger would answer every question to itself. After a refused claim
// all stations are asked as well: a forger who came first must then answer each time.
const (
	disputeRetry = 300 // ms between questions while a claim is examined
	disputePause = 1_000
	// TrialTime is how long a MAC that has replaced another one is on trial, in ms.
	TrialTime = 3_600_000
	// answerTime is how long after a question a message counts as its answer, in ms.
	answerTime = 1_000
)

// dispute is what a table knows of other MACs that claim an entry's address.
type dispute struct {
	claimant packet.MAC // the last one
	elder    packet.MAC // the MAC before the one on trial; zero if there is none
	doubted  bool       // a claim is being examined
	heard    bool       // its message came to this worker, which counts the refusal
	again    bool       // another claim came within the pause after a refusal
	paused   bool       // the last claim was refused less than disputePause ago
	onTrial  bool
	since    uint32 // ms: when the trial began; valid if onTrial
	refused  uint32 // ms: the last refusal; valid if paused
}

// Refusal is a claim that did not move a station, because the station still answers.
type Refusal struct {
	Address  packet.Addr
	Port     uint16
	MAC      packet.MAC // the station's
	Claimant packet.MAC
}

// Refusals returns how many claims were refused, and the last one.
func (t *Table) Refusals() (uint64, Refusal) { return t.refusals, t.refusal }

// claim examines a message with another MAC than that of a proven entry. The caller sends the
// question.
func (t *Table) claim(h Hop, m *Message, heard bool, now uint32) Question {
	r := &t.records[h]
	r.claimant = m.MAC
	r.heard = r.heard || heard
	if r.paused && now-r.refused < disputePause {
		r.again = true // questions must not follow the pace of a forger
		return Question{}
	}
	if r.doubted {
		return Question{}
	}
	return t.examine(h, now)
}

func (t *Table) examine(h Hop, now uint32) Question {
	e, r := &t.entries[h], &t.records[h]
	t.unsay(h)
	r.doubted, r.again, r.paused = true, false, false
	if e.state == Probing {
		return Question{} // the question is already on its way
	}
	e.state, e.tries = Probing, 0
	return t.ask(h, now)
}

// vindicate ends the examination of a claim: the station has answered.
func (t *Table) vindicate(h Hop, now uint32) {
	e, r := &t.entries[h], &t.records[h]
	if !r.doubted {
		return
	}
	if r.heard {
		t.refusals++
		t.refusal = Refusal{e.Address, e.Port, e.MAC(), r.claimant}
	}
	r.doubted, r.heard, r.paused, r.refused = false, false, true, now
	r.onTrial, r.since = true, now
}

// reexamine asks again if a claim came within the pause after a refusal.
func (t *Table) reexamine(h Hop, now uint32) {
	r := &t.records[h]
	if !r.paused || now-r.refused < disputePause {
		return
	}
	r.paused = false
	if r.again && t.entries[h].HasMAC() {
		t.addQuestion(t.examine(h, now))
	}
}

// succeed notes that another MAC replaces the proven one of an entry. The eldest is remembered.
func (t *Table) succeed(h Hop, mac packet.MAC, now uint32) {
	e, r := &t.entries[h], &t.records[h]
	switch {
	case mac == e.MAC():
		return
	case mac == r.elder:
		r.elder = packet.MAC{}
	case r.proven && r.elder.IsZero():
		r.elder = e.MAC()
	}
	if r.proven {
		r.onTrial, r.since = true, now
	}
	r.doubted, r.heard = false, false
}

// endTrial accepts the MAC of an entry that has passed its trial.
func (t *Table) endTrial(h Hop, now uint32) {
	if r := &t.records[h]; r.onTrial && now-r.since >= TrialTime {
		r.onTrial, r.elder = false, packet.MAC{}
		t.changes++
	}
}

// returns reports whether a message is the answer of the MAC that was there before the one on
// trial.
func (r *record) returns(m *Message, now uint32) bool {
	return m.Solicited && m.MAC == r.elder && now-r.asked < answerTime
}
