package engine

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"fulcrum/packet"
	"fulcrum/ports"
)

// Sessions may outlive the process (Config.Keep). Their records are in files; a director that
// starts reads those of the run before, and enters each session anew: at the worker that owns its
// flows now, for the real server that has its identity now, and counted as any other. What no
// longer fits is dropped by name. Nothing is done for it per packet, and per session only what the
// records need anyway.

// KeptReport says what became of the sessions of the run before.
type KeptReport struct {
	Found   int            // sessions in the files
	Kept    int            // that go on
	Dropped map[string]int // the others, by reason
	Took    time.Duration  // to read them
	Dark    time.Duration  // from the last sign of the run before to the first turn of this one
	Missed  uint64         // packets that the devices lost until the first turn, by their own counters
	Aside   []string       // files that were not read, or not written, with the reasons
	// Sum counts the sessions of all starts since the counters began: "kept", and those dropped by
	// reason.
	Sum map[string]uint64
}

// The reasons why sessions do not go on.
const (
	keptBroken  = "broken"  // cut off by a crash, or damaged
	keptExpired = "expired" // it would have ended meanwhile
	keptRemoved = "removed" // its service or its real server is not configured any more
	keptLocal   = "local"   // its local address is not the service's any more
	keptFull    = "full"    // there is no room, or another session has its flow
)

// KeptReasons returns all reasons why sessions do not go on.
func KeptReasons() []string {
	return []string{keptBroken, keptExpired, keptRemoved, keptLocal, keptFull}
}

// Kept returns what became of the sessions of the run before; nil if none are kept.
func (e *Engine) Kept() *KeptReport {
	if e.kept == nil {
		return nil
	}
	e.kept.mu.Lock()
	defer e.kept.mu.Unlock()
	r := e.kept.report
	r.Sum = e.kept.sum()
	return &r
}

// keeping is the state of an engine whose sessions are kept.
type keeping struct {
	run   *keptRun // of this process
	aside []string // runs that are not taken, with the reasons
	// following are the files of a director that still runs, and before is its run, until TakeOver.
	following resumptions
	before    *keptRun
	hints     *keptHints

	mu     sync.Mutex
	report KeptReport
	beat   uint32 // ms: the last sign of the run before
	seen   bool   // beat is valid

	counters keptCounters
}

// resume takes the sessions of an earlier run over. No worker runs yet.
func (e *Engine) resume(before *keptRun) {
	began := time.Now()
	e.kept.beginWorkers(e)
	all := make(resumptions, before.Workers)
	random := newRandom(e.cfg.Seed)
	hasher := packet.NewHasher(random.Uint64(), random.Uint64())
	for i := range all {
		all[i] = &resumption{
			engine: e, names: before.names, file: before.table(i), from: i, hasher: hasher,
		}
	}
	if e.cfg.Successor {
		e.kept.following = all
		all.each((*resumption).open)
	}
	all.each((*resumption).read)
	all.rehome()
	e.kept.sumUp(e, all)
	if !e.cfg.Successor {
		e.takeHints(before)
	}
	e.kept.endWorkers(e)
	e.kept.report.Took = time.Since(began)
}

// beginWorkers lends the workers what they need to enter sessions, before their first turn.
func (k *keeping) beginWorkers(e *Engine) {
	snap, now := e.snap.Load(), e.cfg.now()
	for _, w := range e.workers {
		w.snap, w.now = snap, now
	}
}

// sumUp sums up what became of the sessions of all files.
func (k *keeping) sumUp(e *Engine, all resumptions) {
	k.report = KeptReport{Aside: k.aside, Took: k.report.Took}
	for _, r := range all {
		k.add(r)
	}
	e.followStrays(all)
}

// endWorkers reverses beginWorkers: the first turn adopts the snapshot.
func (k *keeping) endWorkers(e *Engine) {
	for _, w := range e.workers {
		w.sessions.Beat(k.beat)
		w.snap = nil
	}
}

// followStrays has the workers find sessions that are not where their clients' packets come.
func (e *Engine) followStrays(all resumptions) {
	var lost []stray
	for _, r := range all {
		lost = append(lost, r.strays...)
	}
	c := e.begin(time.Now())
	c.findStrays(newStrays(all[0].hasher, lost))
	for _, r := range all {
		for id, mode := range r.ends {
			c.putClientEnd(e.registry.live[id], mode)
		}
	}
	c.publish()
}

// add sums up what a file has brought.
func (k *keeping) add(r *resumption) {
	k.report.Found += r.found + r.said.Broken
	k.report.Kept += r.kept
	if r.said.Broken > 0 {
		r.drop(keptBroken, r.said.Broken)
	}
	for why, n := range r.dropped {
		if k.report.Dropped == nil {
			k.report.Dropped = map[string]int{}
		}
		k.report.Dropped[why] += n
	}
	if r.err != nil {
		k.report.Aside = append(k.report.Aside, r.err.Error())
	} else if r.said.Beat != 0 && (!k.seen || int32(r.said.Beat-k.beat) > 0) {
		k.beat, k.seen = r.said.Beat, true
	}
}

// turned notes when the workers turn again, and what the devices have missed.
func (k *keeping) turned(now uint32, all []ports.Port) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range all {
		s, _ := p.Stats() // a device without counters has nothing to report
		k.report.Missed += s.RxMissed
	}
	if k.seen {
		k.report.Dark = time.Duration(now-k.beat) * time.Millisecond
	}
}

// keepIn begins to keep sessions in a folder, and returns the run before.
func (e *Engine) keepIn(folder string, secret uint64) (before *keptRun, err error) {
	run, before, aside, err := openKept(folder, len(e.cfg.CPUs), secret, e.cfg.KeepLock)
	if err != nil {
		return nil, fmt.Errorf("session.keep: %w", err)
	}
	if e.cfg.Successor && before == nil {
		return nil, errors.Join(fmt.Errorf("session.keep: %s has no sessions of the director that runs: %s",
			folder, strings.Join(aside, "; ")), run.close())
	}
	e.kept = &keeping{run: run, aside: aside, report: KeptReport{Aside: aside}}
	e.registry.kept = run
	path := run.path("neighbours")
	if e.kept.hints, err = newKeptHints(path, e.cfg.Ports, len(e.cfg.CPUs)); err != nil {
		return nil, errors.Join(fmt.Errorf("session.keep: %w", err), e.closeKept())
	}
	return before, nil
}

// fileOfWorker returns the file for a worker's sessions, or "".
func (e *Engine) fileOfWorker(i int) string {
	if e.kept == nil {
		return ""
	}
	return e.kept.run.table(i)
}

// takeOverKept takes the sessions of the run before over.
func (e *Engine) takeOverKept(before *keptRun) error {
	if e.kept == nil {
		return nil
	}
	if err := e.beginCounters(); err != nil {
		return fmt.Errorf("session.keep: %w", err)
	}
	if e.cfg.Successor {
		e.kept.before = before
		e.resume(before)
		return e.kept.following.failed()
	}
	e.takeOverCounters()
	if before != nil {
		e.resume(before)
	}
	return e.kept.run.begun()
}

// closeKept gives the folder up, if there is one.
func (e *Engine) closeKept() error {
	if e.kept == nil || e.kept.run == nil {
		return nil
	}
	run := e.kept.run
	e.kept.run = nil
	return errors.Join(e.kept.following.close(), e.kept.hints.close(), run.close())
}

// errKeptBusy says that another process has the folder.
var errKeptBusy = errors.New("another director keeps its sessions there")
