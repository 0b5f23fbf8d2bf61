package hostway

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// ringFrames is the length of each ring. The longest burst from a worker's turn is far shorter.
	ringFrames = 1024
	// tagSize is room for a VLAN tag in a frame, in bytes.
	tagSize = 4
	// mostFrames is how many frames of one interface, or of one ring, are moved before the next one
	// has its turn.
	mostFrames = 64
	// longestFrame is what a read takes at most, in bytes.
	longestFrame = 1 << 16
	// restoreInterval is the time between two tries to make a deleted interface again.
	restoreInterval = time.Second
)

// Pump moves frames between host interfaces and the rings of workers, on a thread of its own.
type Pump struct {
	taps    []*tap // by port; nil for a port without host interface
	links   []*Link
	longest int // the longest frame that the rings take, in bytes
	notice  func(Notice)

	epoll, bell int // descriptors
	stopping    atomic.Bool
	ended       chan struct{} // closed when the thread has ended; nil before Start

	// Of the thread alone.
	frame  []byte
	events [16]unix.EpollEvent
	lost   int // how many interfaces were deleted and not yet made again
}

// tap is an interface of a pump.
type tap struct {
	*Interface
	counters
	retry   time.Time // when to make it again; zero unless it was deleted
	problem string    // why it could not be made again, as it was noticed
}

// Notice says that a host interface was deleted, or what became of the attempt to make it again.
type Notice struct {
	Port      int // its index
	Interface string
	Restored  bool
	Err       error // why it could not be made again; nil for one that was just deleted, or restored
}

// bellEvent stands for the bell where an epoll event names a port.
const bellEvent = -1

// NewPump creates a pump for host interfaces, given by port, and for so many workers. A port
// without host interface has nil. notice is called on the pump's thread; it must be quick. If
// NewPump fails the interfaces are the caller's still. Otherwise Stop closes them.
func NewPump(all []*Interface, workers int, notice func(Notice)) (p *Pump, err error) {
	p = &Pump{notice: notice, epoll: -1, bell: -1, frame: make([]byte, longestFrame)}
	for _, i := range all {
		if i == nil {
			p.taps = append(p.taps, nil)
			continue
		}
		p.taps = append(p.taps, &tap{Interface: i})
		p.longest = max(p.longest, i.config.MTU+ethernetSize+tagSize)
	}
	if err := p.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("host interfaces: %w", err), p.closeOwn())
	}
	for range workers {
		p.links = append(p.links, NewLink(ringFrames, p.longest, p.ring))
	}
	return p, nil
}

// open opens what the pump waits for.
func (p *Pump) open() (err error) {
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if p.bell, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	if err := p.watch(p.bell, bellEvent); err != nil {
		return err
	}
	for port, t := range p.taps {
		if t != nil {
			if err := p.watch(t.fd, port); err != nil {
				return err
			}
		}
	}
	return nil
}

// watch has the pump wait for a descriptor. An event carries the port, or bellEvent.
func (p *Pump) watch(fd, port int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(port)}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("waiting for frames: %w", err)
	}
	return nil
}

// Links returns the workers' links, one for each worker.
func (p *Pump) Links() []*Link { return p.links }

// Counts returns what has passed at a port's host interface: zero for a port without one.
func (p *Pump) Counts(port int) Counts {
	if t := p.taps[port]; t != nil {
		return t.read()
	}
	return Counts{}
}

// Start starts the thread.
func (p *Pump) Start() {
	p.ended = make(chan struct{})
	go func() {
		defer close(p.ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for !p.stopping.Load() {
			p.receive(p.wait())
			p.send()
		}
	}()
}

// Stop ends the thread, writes what the workers have sent, and closes the interfaces. The kernel
// keeps them. The workers must have stopped.
func (p *Pump) Stop() error {
	p.stopping.Store(true)
	if p.ended != nil {
		p.ring()
		<-p.ended
	}
	for range ringFrames / mostFrames {
		p.send()
	}
	err := p.closeOwn()
	for _, t := range p.taps {
		if t != nil && t.retry.IsZero() {
			err = errors.Join(err, t.Close())
		}
	}
	return err
}

// closeOwn closes all but the interfaces.
func (p *Pump) closeOwn() (err error) {
	for _, fd := range []int{p.bell, p.epoll} {
		if fd >= 0 {
			err = errors.Join(err, unix.Close(fd))
		}
	}
	return err
}

// ring makes the thread look at the rings. Its write fails only if the bell rings already.
func (p *Pump) ring() { _, _ = unix.Write(p.bell, []byte{7: 1}) }

// wait returns which interfaces have frames. It sleeps while there is nothing to do.
func (p *Pump) wait() []unix.EpollEvent {
	timeout := 0 // ms
	if p.sleep() {
		timeout = -1
		if p.lost > 0 {
			timeout = int(restoreInterval.Milliseconds())
		}
	}
	n, err := unix.EpollWait(p.epoll, p.events[:], timeout)
	for _, l := range p.links {
		l.Awake()
	}
	if err != nil {
		return nil // EINTR
	}
	return p.events[:n]
}

// sleep announces to all workers that the thread is about to wait, or returns false.
func (p *Pump) sleep() bool {
	for _, l := range p.links {
		if !l.Sleep() {
			return false
		}
	}
	return !p.stopping.Load()
}

// receive takes frames from the interfaces that have some.
func (p *Pump) receive(events []unix.EpollEvent) {
	for _, e := range events {
		if e.Fd == bellEvent {
			_, _ = unix.Read(p.bell, p.frame[:8]) // it does not ring any more
			continue
		}
		p.receiveFrom(int(e.Fd))
	}
	if p.lost > 0 {
		p.restore()
	}
}

func (p *Pump) receiveFrom(port int) {
	t := p.taps[port]
	if !t.retry.IsZero() {
		return // an event from before it was lost
	}
	for range mostFrames {
		n, err := unix.Read(t.fd, p.frame)
		switch {
		case err == nil:
			p.forward(port, p.frame[:n])
		case errors.Is(err, unix.EBADFD):
			p.lose(port)
			return
		default:
			return // EAGAIN: no more frames
		}
	}
}

// forward gives a frame from the host to its worker.
func (p *Pump) forward(port int, frame []byte) {
	t := p.taps[port]
	switch {
	case len(frame) > t.config.MTU+ethernetSize+tagSize:
		t.drops[TooLong].Add(1)
	case !p.links[workerOf(frame, len(p.links))].FromHost.Put(uint16(port), frame):
		t.drops[RingFull].Add(1)
	default:
		t.fromHost.Add(1)
		t.fromHostBytes.Add(uint64(len(frame)))
	}
}

// send writes frames of all workers to their interfaces.
func (p *Pump) send() {
	for _, l := range p.links {
		for range mostFrames {
			port, frame := l.ToHost.Peek()
			if frame == nil {
				break
			}
			p.write(int(port), frame)
			l.ToHost.Next()
		}
	}
}

func (p *Pump) write(port int, frame []byte) {
	t := p.taps[port]
	if !t.retry.IsZero() {
		t.drops[GoneDrop].Add(1)
		return
	}
	_, err := unix.Write(t.fd, frame)
	if err == nil {
		t.toHost.Add(1)
		t.toHostBytes.Add(uint64(len(frame)))
		return
	}
	t.drops[reasonOf(err)].Add(1)
	if errors.Is(err, unix.EBADFD) {
		p.lose(port)
	}
}

// reasonOf returns why the kernel did not take a frame (drivers/net/tun.c, tun_get_user and
// tun_chr_write_iter).
func reasonOf(err error) Drop {
	switch {
	case errors.Is(err, unix.EIO):
		return DownDrop
	case errors.Is(err, unix.EBADFD):
		return GoneDrop
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOBUFS):
		return BusyDrop
	}
	return RefusedDrop
}

// lose notes that an interface was deleted. restore makes it again.
func (p *Pump) lose(port int) {
	t := p.taps[port]
	_ = t.Close() // there is nothing behind it
	t.retry, t.problem = time.Now(), ""
	p.lost++
	p.notice(Notice{Port: port, Interface: t.Name()})
}

// restore makes deleted interfaces again, each at its time. It takes the thread a millisecond, in
// which the other interfaces wait.
func (p *Pump) restore() {
	for port, t := range p.taps {
		if t == nil || t.retry.IsZero() || time.Now().Before(t.retry) {
			continue
		}
		if err := p.reopen(port); err != nil {
			t.retry = time.Now().Add(restoreInterval)
			if t.problem != err.Error() {
				t.problem = err.Error()
				p.notice(Notice{Port: port, Interface: t.Name(), Err: err})
			}
			continue
		}
		t.retry = time.Time{}
		p.lost--
		p.notice(Notice{Port: port, Interface: t.Name(), Restored: true})
	}
}

// reopen opens a port's interface again.
func (p *Pump) reopen(port int) error {
	t := p.taps[port]
	if err := t.open(nil); err != nil {
		return err
	}
	if err := p.watch(t.fd, port); err != nil {
		return errors.Join(err, t.Close())
	}
	return nil
}
