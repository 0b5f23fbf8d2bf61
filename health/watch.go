package health

import (
	"container/heap"
	"hash/maphash"
	"net/netip"
	"time"
)

// ID names a check: what is checked, and how. Services that have both in common share the check.
type ID struct {
	Server netip.AddrPort // of the real server
	How    any            // the check with all its settings; comparable
}

// Target is a check to make.
type Target struct {
	ID    ID
	Rules Rules
}

// Change is a verdict about a real server that is another one than before.
type Change struct {
	ID     ID
	Up     bool
	Result Result // the one that decided
}

// Watch is the checks of a director. Make one by New.
type Watch struct {
	checks  map[ID]*check
	due     queue
	running int
	most    int
	seed    maphash.Seed

	addresses map[netip.Addr]int // how many checks each host has
	failing   int                // checks that are up and whose latest result is bad
	up        int                // checks that are up
	doubting  bool
	counts    Counts
}

// Counts are sums since the start.
type Counts struct {
	Good, Bad uint64
	// Late are bad results that say nothing: this side was late to begin or to end the check.
	Late uint64
	// Doubts counts how often all checks began to fail at once.
	Doubts uint64
}

// check is one target with its state.
type check struct {
	Target
	judge judge
	turn  time.Time     // when it would be due without jitter
	next  time.Time     // when it is due
	gone  bool          // removed, perhaps while it runs
	waits bool          // in the queue: it does not run, and was not removed
	due   time.Duration // next as the queue counts; valid if it waits
}

// New returns a Watch without checks. At most concurrent checks run at a time.
func New(concurrent int) *Watch {
	return &Watch{
		checks: map[ID]*check{}, addresses: map[netip.Addr]int{}, most: concurrent,
		seed: maphash.MakeSeed(),
	}
}

// Add adds a check, or gives the one with its ID other rules: it keeps its state, its results and
// its turn. A new one comes within one interval; many are spread evenly.
func (w *Watch) Add(t Target, now time.Time) {
	if c := w.checks[t.ID]; c != nil {
		w.adopt(c, &t.Rules, now)
	} else {
		w.add(&t, now)
	}
}

// Remove removes a check. One that runs decides nothing any more.
func (w *Watch) Remove(id ID) {
	if c := w.checks[id]; c != nil {
		w.remove(c)
	}
}

// Len returns the number of checks.
func (w *Watch) Len() int { return len(w.checks) }

// adopt gives a check other rules. It does not wait for longer than they say.
func (w *Watch) adopt(c *check, r *Rules, now time.Time) {
	c.Rules = *r
	if latest := now.Add(r.Interval); c.waits && c.next.After(latest) {
		c.turn, c.next = latest, latest
		w.due.add(c)
	}
}

func (w *Watch) add(t *Target, now time.Time) {
	c := &check{Target: *t, judge: newJudge(&t.Rules)}
	c.turn = now.Add(w.offset(t))
	c.next = c.turn
	w.checks[t.ID] = c
	w.addresses[t.ID.Server.Addr()]++
	if c.judge.up {
		w.up++
	}
	w.due.add(c)
}

// offset spreads the first checks over an interval, so that they do not all come at once. A real
// server that is down until its first check does not wait for more than a second.
func (w *Watch) offset(t *Target) time.Duration {
	span := t.Rules.Interval
	if t.Rules.Down {
		span = min(span, time.Second)
	}
	return time.Duration(maphash.Comparable(w.seed, t.ID) % uint64(span))
}

func (w *Watch) remove(c *check) {
	delete(w.checks, c.ID)
	host := c.ID.Server.Addr()
	if w.addresses[host]--; w.addresses[host] == 0 {
		delete(w.addresses, host)
	}
	if c.judge.up {
		w.up--
		if c.failing() {
			w.failing--
		}
	}
	c.gone, c.waits = true, false
}

// failing reports whether a check's latest result is against its being up.
func (c *check) failing() bool { return c.judge.up && c.judge.streak > 0 }

// Run is a check that has begun.
type Run struct {
	Target
	check *check
}

// Due returns the checks to begin now. Each must be answered by Done.
func (w *Watch) Due(now time.Time) (all []Run) {
	for w.running < w.most {
		c := w.due.first()
		if c == nil || c.next.After(now) {
			break
		}
		w.due.take()
		w.running++
		all = append(all, Run{c.Target, c})
	}
	return all
}

// Next returns when Due has something, and whether it ever has. While as many checks run as may, it
// is when one ends.
func (w *Watch) Next() (time.Time, bool) {
	first := w.due.first()
	if first == nil || w.running >= w.most {
		return time.Time{}, false
	}
	return first.next, true
}

// Done takes the result of a check that Due has returned, and returns the verdict if it changes.
func (w *Watch) Done(run Run, r Result) (Change, bool) {
	c := run.check
	w.running--
	if c.gone {
		return Change{}, false
	}
	late := r.Unmade || c.isLate(&r)
	c.advance(w.seed, r.Ended)
	w.due.add(c)
	if late {
		w.counts.Late++
		c.judge.keep(&r)
		return Change{}, false
	}
	return w.decide(c, &r)
}

// decide counts a result, and has it judged.
func (w *Watch) decide(c *check, r *Result) (Change, bool) {
	if r.Good {
		w.counts.Good++
	} else {
		w.counts.Bad++
	}
	was, failed := c.judge.up, c.failing()
	changed := c.judge.note(&c.Rules, r, w.doubts(c, r))
	w.recount(was, failed, c)
	if !changed {
		return Change{}, false
	}
	return Change{ID: c.ID, Up: c.judge.up, Result: *r}, true
}

// recount keeps the sums of checks that are up, and of those of them that fail.
func (w *Watch) recount(was, failed bool, c *check) {
	w.up += toInt(c.judge.up) - toInt(was)
	w.failing += toInt(c.failing()) - toInt(failed)
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// doubts reports whether a bad result is one of many that all came at once: no check that is up
// has a good result as its latest, and there are several hosts. A cable or an interface of
// this side is as likely then.
func (w *Watch) doubts(c *check, r *Result) bool {
	if r.Good || !c.judge.up {
		if r.Good {
			w.doubting = false
		}
		return false
	}
	failing := w.failing + toInt(!c.failing())
	doubt := len(w.addresses) > 1 && failing >= w.up && w.up > 1
	doubt = doubt || w.doubting
	if doubt && !w.doubting {
		w.doubting = true
		w.counts.Doubts++
	}
	return doubt
}

// Doubting reports whether all checks have failed since the last good result.
func (w *Watch) Doubting() bool { return w.doubting }

// slack is how late a check may begin or end for reasons of this side, and its result still counts.
func (r *Rules) slack() time.Duration {
	return max(50*time.Millisecond, min(r.Timeout, r.Interval)/4)
}

// isLate reports whether a bad result is this side's fault: it began the check late, or noticed
// its timeout late. A good result is good whenever it came.
func (c *check) isLate(r *Result) bool {
	slack := c.Rules.slack()
	return !r.Good && (r.Began.Sub(c.next) > slack || r.Latency() > c.Rules.Timeout+slack)
}

// advance sets when a check is due next: an interval after its last turn, so that checks stay
// spread, with jitter. A check that has just taken all the time until then is due at once:
// otherwise one that times out would come every second turn. Turns that were missed wholly are left
// out.
func (c *check) advance(seed maphash.Seed, now time.Time) {
	interval := c.Rules.Interval
	c.turn = c.turn.Add(interval)
	if missed := now.Sub(c.turn); missed >= interval {
		c.turn = c.turn.Add((missed + interval - 1) / interval * interval)
	}
	c.next = c.turn
	if span := time.Duration(float64(interval) * c.Rules.Jitter); span > 0 {
		random := maphash.Comparable(seed, c.turn.UnixNano())
		c.next = c.turn.Add(time.Duration(random%uint64(2*span+1)) - span)
	}
	if c.next.Before(now) {
		c.next = now
	}
}

// Counts returns the sums since the start.
func (w *Watch) Counts() Counts { return w.counts }

// Standing is a check's verdict, and what speaks against it.
type Standing struct {
	Up      bool
	Decided bool // a result has confirmed or made the verdict
	Streak  int  // results in a row against the verdict
	Needed  int  // how many of them would change it
}

// Status is what is known of a check.
type Status struct {
	Standing
	Last []Result // the latest first
}

// Standing returns a check's verdict. A real server without a check is up.
func (w *Watch) Standing(id ID, now time.Time) Standing {
	c := w.checks[id]
	if c == nil {
		return Standing{Up: true}
	}
	j := &c.judge
	return Standing{j.up, j.decided, j.streak, j.needed(&c.Rules, now, w.doubting)}
}

// Status returns what is known of a check; ok is false if there is none of this ID.
func (w *Watch) Status(id ID, now time.Time) (s Status, ok bool) {
	c := w.checks[id]
	if c == nil {
		return Status{}, false
	}
	return Status{w.Standing(id, now), c.judge.last()}, true
}

// Up reports whether a check's real server is up; one without a check is.
func (w *Watch) Up(id ID) bool {
	c := w.checks[id]
	return c == nil || c.judge.up
}

// Latest returns a check's latest result; ok is false if there is none.
func (w *Watch) Latest(id ID) (r Result, ok bool) {
	c := w.checks[id]
	if c == nil || c.judge.count == 0 {
		return Result{}, false
	}
	return c.judge.results[(c.judge.count-1)%Kept], true
}

// Restore sets the verdict of a check that has had no result yet, as a run before has left it. The
// check stays as it is otherwise.
func (w *Watch) Restore(id ID, up bool) {
	c := w.checks[id]
	if c == nil || c.judge.count > 0 || c.judge.up == up {
		return
	}
	was := c.judge.up
	c.judge.up, c.judge.decided = up, true
	w.recount(was, false, c)
}

// queue is a heap of the times when checks are due. A check that was removed, or is due at another
// time now, leaves a time behind, which first takes away. So nothing in a check says where in the
// queue it is, and moving times about does not touch the checks, which are in no cache.
type queue struct {
	times []due
	begin time.Time // what times in it count from
}

type due struct {
	at    time.Duration
	check *check
}

// add has a check come at its time.
func (q *queue) add(c *check) {
	if q.begin.IsZero() {
		q.begin = c.next
	}
	c.waits, c.due = true, c.next.Sub(q.begin)
	heap.Push(q, due{c.due, c})
}

// first returns the check that is due first, or nil.
func (q *queue) first() *check {
	for len(q.times) > 0 {
		if d := q.times[0]; d.check.waits && d.check.due == d.at {
			return d.check
		}
		heap.Pop(q)
	}
	return nil
}

// take takes away what first has returned.
func (q *queue) take() {
	q.times[0].check.waits = false
	heap.Pop(q)
}

// Len returns the number of times, for container/heap.
func (q *queue) Len() int { return len(q.times) }

// Less is for container/heap.
func (q *queue) Less(i, j int) bool { return q.times[i].at < q.times[j].at }

// Swap is for container/heap.
func (q *queue) Swap(i, j int) { q.times[i], q.times[j] = q.times[j], q.times[i] }

// Push adds a time, for container/heap.
func (q *queue) Push(d any) { q.times = append(q.times, d.(due)) }

// Pop removes the last time, for container/heap.
func (q *queue) Pop() any {
	last := len(q.times) - 1
	q.times[last] = due{}
	q.times = q.times[:last]
	return nil
}
