package probe

import (
	"container/heap"
	"errors"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Connects makes TCP checks of many real servers. A check by Run costs a goroutine, a timer, a new
// socket and its place in the runtime's poller. Here one goroutine waits for all connections, and
// sockets are used again. Make one by NewConnects. One goroutine calls Wait, any may call Begin.
type Connects struct {
	poll *os.File // an epoll instance, in the runtime's poller
	raw  syscall.RawConn

	mu    sync.Mutex
	open  map[int32]*connection // by socket
	ends  deadlines             // of open connections, and of some that have ended
	spare [2][]spareSocket      // unconnected: of IPv4, of IPv6
}

// Connected is a check that has ended.
type Connected struct {
	Tag any // as Begin got it
	Outcome
}

// connection is a check that has begun.
type connection struct {
	spareSocket
	six   int // 1 for IPv6
	tag   any
	until time.Time
	ended bool
}

// spareSocket is a socket that may be connected.
type spareSocket struct {
	fd     int
	polled bool // the epoll instance knows it
}

// mostSpare bounds the sockets of a family that wait for their next use.
const mostSpare = 1024

// NewConnects returns one without checks. The caller closes it.
func NewConnects() (*Connects, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		err = unix.SetNonblock(fd, true) // so that the runtime polls it
	}
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	c := &Connects{poll: os.NewFile(uintptr(fd), "epoll"), open: map[int32]*connection{}}
	c.raw, err = c.poll.SyscallConn()
	return c, err
}

// Takes reports whether a check can be made by Begin: TCP without a zone or a source. Only then the
// socket can be used again for any other real server.
func Takes(c Check, to Target) bool {
	_, tcp := c.(TCP)
	plain := to == Target{Address: to.Address}
	return tcp && plain && to.Address.IsValid() && to.Address.Addr().Zone() == ""
}

// Begin begins a check that Takes takes. If it ends at once, the outcome is returned, and ended is
// true. Otherwise Wait returns it.
func (c *Connects) Begin(to netip.AddrPort, until time.Time, tag any) (o Outcome, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, six, err := c.socket(to.Addr())
	if err != nil {
		return bad(err), true
	}
	switch err = unix.Connect(s.fd, sockaddr(to)); err {
	case nil:
		c.disconnect(s, six)
		return connected, true
	case unix.EINPROGRESS:
		err = c.await(&connection{spareSocket: s, six: six, tag: tag, until: until})
	}
	if err != nil {
		unix.Close(s.fd)
		return bad(err), true
	}
	return Outcome{}, false
}

// connected is the outcome of every good check.
var connected = Outcome{Good: true, Reason: "connected"}

func bad(err error) Outcome { return Outcome{Reason: plain("connect", err).Error()} }

// socket returns an unconnected socket for an address.
func (c *Connects) socket(to netip.Addr) (s spareSocket, six int, err error) {
	domain := unix.AF_INET
	if !to.Unmap().Is4() {
		domain, six = unix.AF_INET6, 1
	}
	if n := len(c.spare[six]); n > 0 {
		s = c.spare[six][n-1]
		c.spare[six] = c.spare[six][:n-1]
		return s, six, nil
	}
	s.fd, err = unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return s, six, err
}

func sockaddr(to netip.AddrPort) unix.Sockaddr {
	if a := to.Addr().Unmap(); a.Is4() {
		return &unix.SockaddrInet4{Port: int(to.Port()), Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
}

// await has the epoll instance tell once when a connection is made or refused.
func (c *Connects) await(n *connection) error {
	operation := unix.EPOLL_CTL_ADD
	if n.polled {
		operation = unix.EPOLL_CTL_MOD
	}
	event := &unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLONESHOT, Fd: int32(n.fd)}
	err := c.control(func(poll int) error { return unix.EpollCtl(poll, operation, n.fd, event) })
	if err != nil {
		return err
	}
	n.polled = true
	c.open[int32(n.fd)] = n
	heap.Push(&c.ends, n)
	if c.ends[0] == n {
		c.poll.SetReadDeadline(n.until)
	}
	return nil
}

// control calls a function with the epoll instance, unless that is closed.
func (c *Connects) control(f func(poll int) error) (err error) {
	closed := c.raw.Control(func(fd uintptr) { err = f(int(fd)) })
	return errors.Join(closed, err)
}

// Wait waits until checks end, and returns them; open is false after Close.
func (c *Connects) Wait() (all []Connected, open bool) {
	for len(all) == 0 {
		err := c.raw.Read(func(poll uintptr) bool {
			all = c.harvest(int(poll))
			return len(all) > 0
		})
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, false
		}
		all = append(all, c.expire(time.Now())...)
	}
	return all, true
}

// harvest returns the checks whose connections were made or refused.
func (c *Connects) harvest(poll int) (all []Connected) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var events [256]unix.EpollEvent
	n, _ := unix.EpollWait(poll, events[:], 0)
	for _, e := range events[:max(n, 0)] {
		if open := c.open[e.Fd]; open != nil {
			all = append(all, Connected{open.tag, c.end(open)})
		}
	}
	return all
}

// end ends a check whose connection was made or refused.
func (c *Connects) end(n *connection) Outcome {
	n.ended = true
	delete(c.open, int32(n.fd))
	code, err := unix.GetsockoptInt(n.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		unix.Close(n.fd)
		return bad(err)
	}
	c.disconnect(n.spareSocket, n.six)
	return connected
}

// expire returns the checks whose time is up, and sets when to look again.
func (c *Connects) expire(now time.Time) (all []Connected) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.ends) > 0 && (c.ends[0].ended || !c.ends[0].until.After(now)) {
		n := heap.Pop(&c.ends).(*connection)
		if n.ended {
			continue
		}
		delete(c.open, int32(n.fd))
		unix.Close(n.fd)
		o := bad(os.ErrDeadlineExceeded)
		o.Reason = late(o.Reason)
		all = append(all, Connected{n.tag, o})
	}
	var next time.Time
	if len(c.ends) > 0 {
		next = c.ends[0].until
	}
	c.poll.SetReadDeadline(next)
	return all
}

// disconnect resets a connection, so that nothing stays in TIME_WAIT, and keeps its socket.
func (c *Connects) disconnect(s spareSocket, six int) {
	if disconnect(s.fd) != nil || len(c.spare[six]) >= mostSpare {
		unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		unix.Close(s.fd)
		return
	}
	c.spare[six] = append(c.spare[six], s)
}

// Close gives up all checks, and ends Wait. Nothing may begin after it.
func (c *Connects) Close() error {
	c.closeSockets()
	return c.poll.Close() // which waits for a Wait that needs the lock
}

func (c *Connects) closeSockets() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.open {
		unix.Close(n.fd)
	}
	for _, all := range c.spare {
		for _, s := range all {
			unix.Close(s.fd)
		}
	}
	c.open, c.spare = nil, [2][]spareSocket{}
}

// deadlines is a heap of connections, the earliest deadline first.
type deadlines []*connection

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].until.Before(d[j].until) }
func (d deadlines) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }

// Push adds a connection, for container/heap.
func (d *deadlines) Push(n any) { *d = append(*d, n.(*connection)) }

// Pop removes the last connection, for container/heap.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	n := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return n
}
