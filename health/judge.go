package health

import "time"

// A real server whose state changes often is damped: after dampAfter changes within dampWithin it
// needs twice as many good results to be up, up to those of dampMost. It is as others again after
// dampMost without a change.
const (
	dampAfter  = 3
	dampWithin = time.Minute
	dampMost   = 5 * time.Minute
)

// judge turns the results of one check into a verdict.
type judge struct {
	up      bool
	decided bool // a result has confirmed or made the verdict
	streak  int  // results in a row against the verdict
	damping int  // Rise is multiplied by it; 0 stands for 1
	changes []time.Time
	results [Kept]Result
	count   uint64 // results so far
}

func newJudge(r *Rules) judge { return judge{up: !r.Down} }

// note takes a result and reports whether the verdict changes. doubt says that bad results may be
// this side's fault: it takes twice as many then.
func (j *judge) note(rules *Rules, r *Result, doubt bool) (changed bool) {
	j.keep(r)
	if r.Good == j.up {
		j.streak, j.decided = 0, true
		return false
	}
	j.streak++
	if j.streak < j.needed(rules, r.Ended, doubt) {
		return false
	}
	j.up, j.streak, j.decided = r.Good, 0, true
	j.noteChange(rules, r.Ended)
	return true
}

// needed returns how many results in a row change the verdict.
func (j *judge) needed(rules *Rules, now time.Time, doubt bool) int {
	switch {
	case !j.up && !j.decided:
		return 1
	case !j.up:
		j.calm(now)
		return rules.Rise * max(j.damping, 1)
	case doubt:
		return 2 * rules.Fall
	}
	return rules.Fall
}

// calm ends the damping of a real server that has not changed for long.
func (j *judge) calm(now time.Time) {
	if n := len(j.changes); n > 0 && now.Sub(j.changes[n-1]) >= dampMost {
		j.damping, j.changes = 0, nil
	}
}

func (j *judge) noteChange(rules *Rules, now time.Time) {
	if rules.Undamped {
		return
	}
	j.calm(now)
	if j.changes = append(j.changes, now); len(j.changes) < dampAfter {
		return
	}
	j.changes = j.changes[len(j.changes)-dampAfter:]
	if now.Sub(j.changes[0]) > dampWithin {
		return
	}
	most := max(1, int(dampMost/rules.Interval)/rules.Rise)
	j.damping = min(2*max(j.damping, 1), most)
	j.changes = j.changes[dampAfter-1:]
}

func (j *judge) keep(r *Result) {
	kept := *r
	kept.Reason = kept.Reason[:min(len(kept.Reason), MostReason)]
	j.results[j.count%Kept] = kept
	j.count++
}

// last returns the results that are kept, the latest first.
func (j *judge) last() []Result {
	n := min(j.count, Kept)
	all := make([]Result, 0, n)
	for i := range n {
		all = append(all, j.results[(j.count-1-i)%Kept])
	}
	return all
}
