//go:build linux && amd64

package ipvs

// Clients of other projects open netlink sockets by system calls of their own. Here a thread's
// system calls about them go to a supervisor in the same process (seccomp's user notification),
// which gives it a unix socket of a director instead.
//
// The pointers that system calls and ioctls get here are those of variables that live until the
// call returns: unsafe.Pointer is converted in the call's arguments, as package unsafe demands.
// Addresses of the thread's memory are never made pointers: the kernel copies there.

import (
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is struct seccomp_notif (linux/seccomp.h): a system call that waits for its result.
type call struct {
	id         uint64
	pid, flags uint32
	number     int32
	arch       uint32
	at         uint64
	args       [6]uint64
}

// result is struct seccomp_notif_resp.
type result struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

const (
	notifyReceive = 0xc0502100 // SECCOMP_IOCTL_NOTIF_RECV
	notifySend    = 0xc0182101 // SECCOMP_IOCTL_NOTIF_SEND
	goOn          = 1          // SECCOMP_USER_NOTIF_FLAG_CONTINUE: the kernel makes the call
)

// supervised are the system calls that go to the supervisor.
var supervised = []uint32{
	unix.SYS_SOCKET, unix.SYS_BIND, unix.SYS_GETSOCKNAME, unix.SYS_SETSOCKOPT, unix.SYS_RECVFROM,
	unix.SYS_RECVMSG,
}

// supervisor makes the calls of a thread.
type supervisor struct {
	*testing.T
	path     string // of the director's socket
	listener int
	sockets  []int // in place of netlink sockets
}

// interposed calls do on a thread whose generic netlink sockets are connections to a director.
func interposed(t *testing.T, path string, do func()) {
	t.Helper()
	needRoot(t)
	keepRunning(t)
	s := &supervisor{T: t, path: path}
	ready, done := make(chan error), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with its filter
		var err error
		s.listener, err = filter()
		ready <- err
		if err == nil {
			do()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatalf("filter system calls: %v", err)
	}
	s.serve(done)
	_ = unix.Close(s.listener)
}

// keepRunning keeps the garbage collector from stopping the supervisor until the test ends. Go
// makes some system calls without telling its scheduler: to stop the world it would wait for the
// thread, which waits for the supervisor. For the same reason there are enough threads.
func keepRunning(t *testing.T) {
	percent, procs := debug.SetGCPercent(-1), runtime.GOMAXPROCS(0)
	runtime.GC() // ends a collection that has begun
	runtime.GOMAXPROCS(max(procs, 4))
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		runtime.GOMAXPROCS(procs)
	})
}

// filter has the thread's supervised calls go to the listener that it returns.
func filter() (listener int, err error) {
	program := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}}
	for i, number := range supervised {
		program = append(program, unix.SockFilter{
			Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jt: uint8(len(supervised) - i),
		})
	}
	program = append(program,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	f := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&f)))
	runtime.KeepAlive(program)
	if errno != 0 {
		return 0, errno
	}
	return int(fd), nil
}

// serve makes the thread's calls until it is done.
func (s *supervisor) serve(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		default:
		}
		waiting := []unix.PollFd{{Fd: int32(s.listener), Events: unix.POLLIN}}
		_, err := unix.Poll(waiting, 10)
		if err != nil || waiting[0].Revents&unix.POLLIN == 0 {
			continue
		}
		var c call
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s.listener), notifyReceive,
			uintptr(unsafe.Pointer(&c))); errno != 0 {
			continue
		}
		r := result{id: c.id, flags: goOn}
		if value, errno, mine := s.make(&c); mine {
			r.value, r.errno, r.flags = int64(value), -int32(errno), 0
		}
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(s.listener), notifySend,
			uintptr(unsafe.Pointer(&r)))
	}
}

// make makes a call, unless it is the kernel's.
func (s *supervisor) make(c *call) (value int, errno unix.Errno, mine bool) {
	if c.number == unix.SYS_SOCKET {
		if c.args[0] != unix.AF_NETLINK || c.args[2] != unix.NETLINK_GENERIC {
			return 0, 0, false
		}
		return s.socket(int(c.args[1]))
	}
	fd := int(c.args[0])
	if !slices.Contains(s.sockets, fd) {
		return 0, 0, false
	}
	switch c.number {
	case unix.SYS_BIND:
		return 0, 0, true
	case unix.SYS_SETSOCKOPT:
		return 0, 0, c.args[1] == unix.SOL_NETLINK
	case unix.SYS_GETSOCKNAME:
		return 0, s.name(c.args[1], c.args[2]), true
	case unix.SYS_RECVFROM:
		value, errno = s.receive(fd, int(c.args[3]), c.args[1], c.args[2])
		if errno == 0 && c.args[4] != 0 {
			errno = s.name(c.args[4], c.args[5])
		}
	case unix.SYS_RECVMSG:
		value, errno = s.receiveMessage(fd, int(c.args[2]), c.args[1])
	}
	return value, errno, true
}

// socket returns a connection to the director, with the flags of a type of sockets.
func (s *supervisor) socket(kind int) (int, unix.Errno, bool) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|kind&unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: s.path})
	}
	if err == nil {
		err = unix.SetNonblock(fd, kind&unix.SOCK_NONBLOCK != 0)
	}
	if err != nil {
		s.Error(err)
		return 0, unix.EIO, true
	}
	s.sockets = append(s.sockets, fd)
	return fd, 0, true
}

// netlinkName is struct sockaddr_nl of the kernel: its port is 0.
var netlinkName = append(host.AppendUint16(nil, unix.AF_NETLINK), make([]byte, 10)...)

// name writes the kernel's address to the thread's memory, with its length.
func (s *supervisor) name(to, length uint64) unix.Errno {
	s.copyOut(to, netlinkName)
	s.copyOut(length, host.AppendUint32(nil, uint32(len(netlinkName))))
	return 0
}

func (s *supervisor) receive(fd, flags int, to, room uint64) (int, unix.Errno) {
	b := make([]byte, room)
	n, _, err := unix.Recvfrom(fd, b, flags)
	if err != nil {
		var errno unix.Errno
		errors.As(err, &errno)
		return 0, errno
	}
	s.copyOut(to, b[:min(n, len(b))])
	return n, 0
}

// receiveMessage receives into the first buffer of a struct msghdr.
func (s *supervisor) receiveMessage(fd, flags int, header uint64) (int, unix.Errno) {
	h := s.copyIn(header, 56)
	buffer := s.copyIn(host.Uint64(h[16:]), 16)
	n, errno := s.receive(fd, flags, host.Uint64(buffer), host.Uint64(buffer[8:]))
	if errno != 0 {
		return 0, errno
	}
	if to := host.Uint64(h); to != 0 {
		s.copyOut(to, netlinkName)
		s.copyOut(header+8, host.AppendUint32(nil, uint32(len(netlinkName))))
	}
	s.copyOut(header+40, make([]byte, 12)) // no control data, no flags
	return n, 0
}

// copyOut writes to the memory of this process at an address.
func (s *supervisor) copyOut(to uint64, b []byte) {
	if len(b) == 0 {
		return
	}
	local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
	remote := []unix.RemoteIovec{{Base: uintptr(to), Len: len(b)}}
	if _, err := unix.ProcessVMWritev(os.Getpid(), local, remote, 0); err != nil {
		s.Error(err)
	}
}

// copyIn reads from the memory of this process at an address.
func (s *supervisor) copyIn(from uint64, n int) []byte {
	b := make([]byte, n)
	local := []unix.Iovec{{Base: &b[0], Len: uint64(n)}}
	remote := []unix.RemoteIovec{{Base: uintptr(from), Len: n}}
	if _, err := unix.ProcessVMReadv(os.Getpid(), local, remote, 0); err != nil {
		s.Error(err)
	}
	return b
}
