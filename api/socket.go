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

// lockTimeout is far beyond the time in which directors make or remove their sockets.
const lockTimeout = 5 * time.Second

// ServeSocket makes the control API's socket, which only its owner may use, and answers requests
// until Close, which removes it. It replaces a socket that a director has left.
func ServeSocket(path string, handler http.Handler, log *slog.Logger) (*Server, error) {
	listener, err := listenSocket(path)
	if err != nil {
		return nil, err
	}
	c := ServerConfig{Name: controlAPI, Listener: listener, Handler: handler, Log: log}
	return Serve(c), nil
}

// controlAPI is the name of the servers of the control API.
const controlAPI = "control API"

// socket is a unix socket that is listened on, with its file. Directors that start and end side by
// side make and remove theirs one after another, with their folder locked, so that none takes away
// a living one's.
type socket struct {
	net.Listener
	path  string
	made  fs.FileInfo
	close func() error
}

// listenSocket makes a socket that only its owner may use. One that nobody listens on any more is replaced.
func listenSocket(path string) (*socket, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the control socket's folder: %w; see director.control", err)
	}
	unlock, err := lockFolder(path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := removeStale(path); err != nil {
		return nil, err
	}
	// Made under another name and moved, so that nobody can connect before only its owner may.
	fresh := beside(path)
	if err := removeStale(fresh); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", fresh)
	if err != nil {
		return nil, fmt.Errorf("make the control socket %s: %w; see director.control", path, err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	made, err := os.Lstat(fresh)
	if err := errors.Join(err, os.Chmod(fresh, 0o600), os.Rename(fresh, path)); err != nil {
		err = fmt.Errorf("make the control socket %s: %w; see director.control", path, err)
		return nil, errors.Join(err, listener.Close(), os.Remove(fresh))
	}
	s := &socket{Listener: listener, path: path, made: made}
	s.close = sync.OnceValue(func() error { return errors.Join(s.remove(), listener.Close()) })
	return s, nil
}

// beside is the name of a socket in the making. It is as long as the socket's own, since a socket's path has a bound, and the same for all
// directors, since one at a time makes a socket in a folder: so what one leaves that was killed at it is removed by the next.
func beside(path string) string {
	folder, name := filepath.Split(path)
	if name[0] == '~' {
		return folder + "+" + name[1:]
	}
	return folder + "~" + name[1:]
}

// Close removes the socket's file and stops listening. Later calls return what the first one did.
func (s *socket) Close() error { return s.close() }

// remove removes the socket's file, unless another file is in its place. The socket is still listened
// on: so no director takes it for one that was left, and its inode's number is not given out again.
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

// lockFolder waits until no other director makes or removes a socket in a path's folder.
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
	return nil, errors.Join(fmt.Errorf("lock %s for the control socket, which another program has locked: %w", folder.Name(), err), folder.Close())
}

// removeStale removes a socket that a director which is no more has left. A living one's is an error.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s is there and is no socket: give another path in director.control", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, unix.ECONNREFUSED) { // a living one may also have more callers than it can take
		return fmt.Errorf("another director has the control socket %s: give this one a path of its own in director.control", path)
	}
	return os.Remove(path)
}
