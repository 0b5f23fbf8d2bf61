package api

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"fulcrum/config"
)

// A process that is replaced by a newer one passes its listening sockets on. Both processes share
// them for a while: a client that connects waits in the queue of the socket itself, and is served
// by the process that accepts it.

// passOn returns a duplicate of a listening socket. It stays in the mode that does not block, also
// once it is passed to a child: the mode belongs to the socket, and in a blocking Accept the
// process could not stop listening. The File methods of package net change it.
func passOn(l net.Listener) (*os.File, error) {
	c, ok := l.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("%T cannot be passed on", l)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var copied int
	failed := raw.Control(func(fd uintptr) {
		copied, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err := errors.Join(failed, err); err != nil {
		return nil, fmt.Errorf("duplicate a listening socket: %w", err)
	}
	return os.NewFile(uintptr(copied), l.Addr().String()), nil
}

// opened returns the listener of a socket that the process before passed on, and closes the file.
func opened(f *os.File) (net.Listener, error) {
	l, err := net.FileListener(f)
	if err := errors.Join(err, f.Close()); err != nil {
		if l != nil {
			l.Close()
		}
		return nil, err
	}
	return l, nil
}

// listenTCP listens at an address, or takes over a socket that does.
func listenTCP(at netip.AddrPort, open *os.File) (net.Listener, error) {
	if open == nil {
		return net.Listen("tcp", at.String())
	}
	l, err := opened(open)
	if err != nil {
		return nil, err
	}
	if is := l.Addr().String(); is != at.String() {
		l.Close()
		return nil, fmt.Errorf("the socket passed on listens at %s, not at %s", is, at)
	}
	return l, nil
}

// File returns a duplicate of the listening socket, to be passed on to another process.
func (s *socket) File() (*os.File, error) { return passOn(s.UnixListener) }

// Leave stops listening, and leaves the socket to the process that it was passed on to.
func (s *socket) Leave() error {
	s.once.Do(func() { s.closed = s.UnixListener.Close() })
	return s.closed
}

// takeOver returns the socket that the process before passed on. If its file was removed meanwhile,
// the socket is one without file.
func (s *Socket) takeOver() (*socket, error) {
	l, err := opened(s.Open)
	if err == nil && l.Addr().Network() != s.network() {
		err = errors.Join(fmt.Errorf("it has another type: %s", l.Addr().Network()), l.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("take over the %s %s: %w", s.Noun, s.Path, err)
	}
	taken := &socket{UnixListener: l.(*net.UnixListener), at: *s}
	taken.at.Open = nil
	if err := taken.permit(); err != nil {
		err = fmt.Errorf("take over the %s %s: %w; see %s", s.Noun, s.Path, err, s.Key)
		return nil, errors.Join(err, taken.Leave())
	}
	return taken, nil
}

// permit finds the socket's file and gives it its group and mode.
func (s *socket) permit() error {
	unlock, err := s.at.lockFolder()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	if s.made = boundTo(s.UnixListener, s.at.Path); s.made == nil || s.file() == nil {
		return nil
	}
	return s.at.openAgain(s.made)
}

// boundTo describes the file that a socket was bound to, which has its path unless others removed
// it. Only the kernel knows the file (SIOCUNIXFILE, linux/un.h), and tells those with CAP_NET_ADMIN.
// Others take a socket at the path for it. It returns nil if there is none.
func boundTo(l *net.UnixListener, path string) (info fs.FileInfo) {
	if raw, err := l.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { info = fileOf(int(fd)) }) // fails on a closed one only
	}
	if info != nil {
		return info
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil
	}
	return info
}

// fileOf describes the file that a unix socket was bound to, or is nil if the kernel does not tell.
func fileOf(socket int) fs.FileInfo {
	const boundFile = unix.SIOCPROTOPRIVATE // SIOCUNIXFILE
	fd, err := unix.IoctlRetInt(socket, boundFile)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	return info
}

// openAgain gives the file of a socket that is in use its group and mode, if it has others. Clients
// that may connect before and afterwards may do so all the time, unless the group changes.
func (s *Socket) openAgain(now fs.FileInfo) error {
	group, err := s.groupID()
	if err != nil {
		return fmt.Errorf("%w; see director.control_group", err)
	}
	if group == int(now.Sys().(*syscall.Stat_t).Gid) {
		return os.Chmod(s.Path, cmp.Or(s.Mode, ownerOnly))
	}
	if err := os.Chmod(s.Path, ownerOnly); err != nil { // no other group gets the rights of the mode
		return err
	}
	regrouped := *s
	regrouped.Group = fmt.Sprint(group)
	return regrouped.open(s.Path)
}

// groupID returns the group that the socket's file is to have. A file made in a folder with the
// setgid bit has the folder's.
func (s *Socket) groupID() (int, error) {
	if s.Group != "" {
		return config.GroupID(s.Group)
	}
	folder, err := os.Stat(filepath.Dir(s.Path))
	if err == nil && folder.Mode()&os.ModeSetgid != 0 {
		return int(folder.Sys().(*syscall.Stat_t).Gid), nil
	}
	return os.Getegid(), err
}
