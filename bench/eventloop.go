package bench

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// eventLoop is an epoll set, which tells of a descriptor when something changes (edge-triggered).
type eventLoop struct {
	epoll  int
	events []unix.EpollEvent
}

// loopPause is how long wait waits at most, so that its callers see that their time is over.
const loopPause = 20 * time.Millisecond

func newEventLoop() (eventLoop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return eventLoop{}, fmt.Errorf("make an epoll set: %w", err)
	}
	return eventLoop{epoll, make([]unix.EpollEvent, 64)}, nil
}

// watch adds a descriptor. It leaves the set when it is closed.
func (l *eventLoop) watch(fd int) error {
	const events = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET
	e := unix.EpollEvent{Events: events, Fd: int32(fd)}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		return fmt.Errorf("watch a socket: %w", err)
	}
	return nil
}

// wait calls ready for each descriptor that something has happened to, if any has within loopPause.
func (l *eventLoop) wait(ready func(fd int, events uint32) error) error {
	n, err := unix.EpollWait(l.epoll, l.events, int(loopPause.Milliseconds()))
	if err != nil && err != unix.EINTR {
		return fmt.Errorf("wait for sockets: %w", err)
	}
	for _, e := range l.events[:max(n, 0)] {
		if err := ready(int(e.Fd), e.Events); err != nil {
			return err
		}
	}
	return nil
}

func (l *eventLoop) close() { unix.Close(l.epoll) }
