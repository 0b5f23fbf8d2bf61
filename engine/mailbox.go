package engine

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// mailbox lets control reach a worker's own data. It holds one letter, and the worker looks for it
// once a turn. A worker never waits for control. Control waits for a worker until its context ends.
type mailbox struct {
	letter atomic.Pointer[letter]
}

// letter is a task for a worker, done on the worker's own thread.
type letter struct {
	do   func(*Worker) (done bool) // does a bounded piece of the task
	done atomic.Bool
	gone atomic.Bool // the sender has stopped waiting
}

// answerPoll is the interval at which control checks for the answer. The worker wakes no thread,
// since that is a system call.
const answerPoll = 200 * time.Microsecond

// ask has a worker call do at the end of each turn until do returns true. do must neither block nor
// take long. If ctx ends first, ask returns an error, and the caller must no longer touch what do
// writes: the worker may still be writing.
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

// poll sleeps on the thread itself, because a Go timer fires a millisecond late in an idle process.
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
	_ = unix.Nanosleep(&ts, nil) // after an interruption the caller just polls earlier
}

// readMail does the next piece of the letter in the mailbox.
func (w *Worker) readMail(l *letter) {
	w.burst++ // the letter sees what this turn's packets have changed
	if !l.gone.Load() && !l.do(w) {
		return
	}
	l.done.Store(true)
	w.mail.letter.Store(nil)
}
