package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// mailbox is how control comes to a worker's own data: it holds one letter, and the worker looks into it once a turn. A worker never waits
// for control, and control waits for a worker no longer than its context says.
type mailbox struct {
	letter atomic.Pointer[letter]
}

// letter is something that a worker is asked to do on its own thread.
type letter struct {
	do   func(*Worker) (done bool) // a bounded piece of it at a time
	done atomic.Bool
	gone atomic.Bool // nobody waits for it any more
}

// answerPoll is how often control looks whether a letter has been answered. The worker wakes nobody, since that is a system call.
const answerPoll = 200 * time.Microsecond

// ask has a worker call do at the end of a turn, and of the turns that follow, until do returns true. do must neither block nor
// take long. When ctx ends first, that is an error, and what do writes to must be left alone: it may be at it.
func (e *Engine) ask(ctx context.Context, worker int, do func(*Worker) (done bool)) error {
	l := &letter{do: do}
	box := &e.workers[worker].mail
	if err := poll(ctx, func() bool { return box.letter.CompareAndSwap(nil, l) }); err != nil {
		return fmt.Errorf("worker %d is busy with other questions: %w", worker, err)
	}
	if err := poll(ctx, l.done.Load); err != nil {
		l.gone.Store(true)
		return fmt.Errorf("worker %d does not answer: %w", worker, err)
	}
	return nil
}

// poll sleeps on the thread itself: a timer of Go's comes a millisecond late where nothing else is to be done.
func poll(ctx context.Context, holds func() bool) error {
	for !holds() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		sleep(answerPoll)
	}
	return nil
}

func sleep(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // interrupted, it looks sooner
}

// readMail does what the letter says, or its next piece.
func (w *Worker) readMail() {
	l := w.mail.letter.Load()
	w.burst++ // what a letter asks about comes after the packets of this turn
	if l == nil || !l.gone.Load() && !l.do(w) {
		return
	}
	l.done.Store(true)
	w.mail.letter.Store(nil)
}
