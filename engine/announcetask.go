package engine

import "fulcrum/packet"

// task is an address that is being announced on a port.
type task struct {
	address packet.Addr
	frames  int    // sent so far
	due     uint32 // ms; valid in the list of later tasks

	list           *taskList // that has it; nil if none
	before, behind *task
}

// taskList is a list of tasks. Adding and removing needs no memory, since a worker does it.
type taskList struct{ first, last *task }

// push adds a task at the end. The task leaves the list where it is.
func (l *taskList) push(t *task) {
	t.leave()
	t.list, t.before = l, l.last
	if l.last == nil {
		l.first = t
	} else {
		l.last.behind = t
	}
	l.last = t
}

// leave removes a task from its list.
func (t *task) leave() {
	l := t.list
	if l == nil {
		return
	}
	if t.before == nil {
		l.first = t.behind
	} else {
		t.before.behind = t.behind
	}
	if t.behind == nil {
		l.last = t.before
	} else {
		t.behind.before = t.before
	}
	t.list, t.before, t.behind = nil, nil, nil
}

// A port's announcements come ten at a time, so that a few addresses need not wait, and at most 100
// in any second. The window is longer than a tenth of a second: a frame may be late on its way.
const (
	paceFrames = 10
	paceWindow = 110 // ms
)

// pace lets paceFrames frames pass in any time of paceWindow.
type pace struct {
	passed [paceFrames]uint32 // ms: when the last ones passed
	oldest int
}

// take reports whether a frame may pass now, and notes that it does.
func (p *pace) take(now uint32) bool {
	if now-p.passed[p.oldest] < paceWindow {
		return false
	}
	p.passed[p.oldest] = now
	p.oldest = (p.oldest + 1) % paceFrames
	return true
}
