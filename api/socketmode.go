package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"fulcrum/config"
)

// ownerOnly is the mode of a socket before it is opened to others.
const ownerOnly = 0o600

// listenPrivately creates a unix socket that only its owner may use from the first moment on,
// whatever the process's umask is. Linux gives the file of a socket the mode that the socket had
// before it was bound, less the umask (unix_bind in net/unix/af_unix.c).
func listenPrivately(network, path string) (*net.UnixListener, error) {
	private := func(_, _ string, raw syscall.RawConn) (err error) {
		failed := raw.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), ownerOnly) })
		return errors.Join(failed, err)
	}
	listen := net.ListenConfig{Control: private}
	l, err := listen.Listen(context.Background(), network, path)
	if err != nil {
		return nil, err
	}
	socket := l.(*net.UnixListener)
	socket.SetUnlinkOnClose(false)
	return socket, nil
}

// finish opens the file of a socket to those who may use it, and gives it its name.
func (s Socket) finish(file string) (fs.FileInfo, error) {
	if err := s.open(file); err != nil {
		return nil, err
	}
	made, err := os.Lstat(file)
	if err != nil {
		return nil, err
	}
	return made, os.Rename(file, s.Path)
}

// open gives the file of a socket its group and then its mode, so that no other group gets the
// rights of the mode.
func (s Socket) open(file string) error {
	if err := s.setGroup(file); err != nil {
		return fmt.Errorf("%w; see director.control_group", err)
	}
	return os.Chmod(file, cmp.Or(s.Mode, ownerOnly))
}

func (s Socket) setGroup(file string) error {
	if s.Group == "" {
		return nil
	}
	id, err := config.GroupID(s.Group)
	if err != nil {
		return err
	}
	err = os.Lchown(file, -1, id)
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: the director's user must be in group %s", err, s.Group)
	}
	return err
}
