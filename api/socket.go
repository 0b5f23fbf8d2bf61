package api

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// lockTimeout is far longer than a director needs to create or remove its socket.
const lockTimeout = 5 * time.Second

// Socket says where the control API's unix socket is, and who may use it.
type Socket struct {
	Path  string
	Mode  fs.FileMode // permissions; 0 stands for 0600: its owner alone
	Group string      // name or number of the file's group; empty: the process's
}

// ServeSocket serves the control API on a new unix socket until Close, which removes the socket. A
// socket that an ended director left behind is replaced; the socket of a running director is an
// error.
func ServeSocket(at Socket, handler http.Handler, log *slog.Logger) (*Server, error) {
	listener, err := listenSocket(at)
	if err != nil {
		return nil, err
	}
	c := ServerConfig{Name: controlAPI, Listener: listener, Handler: handler, Log: log}
	return Serve(c), nil
}

// controlAPI is the name of the servers of the control API.
const controlAPI = "control API"

// socket is a listening unix socket with its file. A director locks the folder while it creates or
// removes its socket, so that directors which start and end at once never remove each other's.
type socket struct {
	net.Listener
	path  string
	made  fs.FileInfo
	close func() error
}

// listenSocket creates a socket. It replaces a socket without listener.
func listenSocket(at Socket) (*socket, error) {
	path := at.Path
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("create the control socket's folder: %w; see director.control", err)
	}
	unlock, err := lockFolder(path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := removeStale(path); err != nil {
		return nil, err
	}
	// The socket gets its group and its mode under another name, and is then renamed: clients find it
	// complete.
	fresh := beside(path)
	if err := removeStale(fresh); err != nil {
		return nil, err
	}
	listener, err := listenPrivately(fresh)
	if err != nil {
		return nil, fmt.Errorf("create the control socket %s: %w; see director.control", path, err)
	}
	made, err := at.finish(fresh)
	if err != nil {
		err = fmt.Errorf("create the control socket %s: %w; see director.control", path, err)
		return nil, errors.Join(err, listener.Close(), os.Remove(fresh))
	}
	s := &socket{Listener: listener, path: path, made: made}
	s.close = sync.OnceValue(func() error { return errors.Join(s.remove(), listener.Close()) })
	return s, nil
}

// beside returns the name under which a socket is created. It is as long as the final name, since
// the kernel bounds a socket's path. It is the same for all directors, since one at a time creates
// a socket in a folder; so the next director removes what a killed one left there.
func beside(path string) string {
	folder, name := filepath.Split(path)
	if name[0] == '~' {
		return folder + "+" + name[1:]
	}
	return folder + "~" + name[1:]
}

// Close removes the socket's file and stops listening. Later calls return the first call's result.
func (s *socket) Close() error { return s.close() }

// remove removes the socket's file, unless another file is in its place. Call it while the socket
// still listens: then no other director takes the socket for an abandoned one, and the kernel does
// not reuse the inode number.
func (s *socket) remove() error {
	unlock, err := lockFolder(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the folder is gone, and the socket with it
	}
	if err != nil {
		return err
	}
	defer unlock()
	if info, err := os.Lstat(s.path); err != nil || !os.SameFile(info, s.made) {
		return nil
	}
	return os.Remove(s.path)
}

// lockFolder waits until no other director creates or removes a socket in a path's folder. The lock
// holds until unlock.
func lockFolder(path string) (unlock func(), err error) {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("open the control socket's folder: %w; see director.control", err)
	}
	end := time.Now().Add(lockTimeout)
	for err = unix.EWOULDBLOCK; err != nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		if err = unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return func() { folder.Close() }, nil
		}
	}
	err = fmt.Errorf("lock %s for the control socket: another program holds the lock: %w",
		folder.Name(), err)
	return nil, errors.Join(err, folder.Close())
}

// removeStale removes a socket that an ended director left behind. It returns an error for the
// socket of a running director and for a file that is not a socket.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s exists and is not a socket: set another path in director.control", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, unix.ECONNREFUSED) { // other errors too: a busy director's queue may be full
		return fmt.Errorf("another director uses the control socket %s: "+
			"set a path of its own in director.control", path)
	}
	return os.Remove(path)
}
