package hostway

import "sync/atomic"

// Link connects one worker with the host's side.
type Link struct {
	ToHost   *Ring // the worker sends
	FromHost *Ring // the worker receives

	// asleep is set by the host's side before it waits for its interfaces, and cleared by whoever
	// wakes it. It looks at ToHost once more in between.
	asleep atomic.Bool
	wake   func()
}

// NewLink returns a link whose rings have so many frames each, of at most size bytes. wake makes
// the host's side look at its rings. It may be called from any thread and must not block.
func NewLink(frames, size int, wake func()) *Link {
	return &Link{ToHost: NewRing(frames, size), FromHost: NewRing(frames, size), wake: wake}
}

// Flush tells the host's side of the frames that the worker has put into ToHost. The worker calls
// it at most once a turn. It costs a system call only if the host's side sleeps.
func (l *Link) Flush() {
	if l.asleep.Load() && l.asleep.CompareAndSwap(true, false) {
		l.wake()
	}
}

// Sleep announces that the host's side is about to wait. It returns false if it must not, since
// there are frames.
func (l *Link) Sleep() bool {
	l.asleep.Store(true)
	if l.ToHost.Empty() {
		return true
	}
	l.asleep.Store(false)
	return false
}

// Awake says that the host's side does not wait any more.
func (l *Link) Awake() { l.asleep.Store(false) }
