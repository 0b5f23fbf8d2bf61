package api

import (
	"cmp"
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

// Socket says where a unix socket of the director is, and who may use it.
type Socket struct {
	Path  string
	Mode  fs.FileMode // permissions; 0 stands for 0600: its owner alone
	Group string      // name or number of the file's group; empty: the process's
	// Packets: its connections keep packets apart (SOCK_SEQPACKET).
	Packets bool
	// Open is this socket as the process before passes it on, or nil. It is taken over instead of
	// made. The socket's file gets its permissions again, if it is still there. Open belongs to the
	// callee, which closes it.
	Open *os.File
	// Noun and Key are for messages; empty stands for the control API's: "control socket" and
	// "director.control".
	Noun, Key string
}

func (s *Socket) network() string {
	if s.Packets {
		return "unixpacket"
	}
	return "unix"
}

// Listen creates a unix socket, or takes one over. Closing it removes its file; its method
// Leave closes it and leaves the file. A socket that an ended director left behind is replaced; the
// socket of a running director is an error.
func Listen(at Socket) (net.Listener, error) { return listenSocket(at) }

// ServeSocket serves the control API on a unix socket, a new one or one taken over, until Close,
// which removes the socket. A socket that an ended director left behind is replaced; the socket of
// a running director is an error.
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
	*net.UnixListener
	at   Socket
	made fs.FileInfo

	once   sync.Once // guards closed
	closed error
}

// listenSocket creates a socket or takes one over.
func listenSocket(at Socket) (*socket, error) {
	at.Noun, at.Key = cmp.Or(at.Noun, "control socket"), cmp.Or(at.Key, "director.control")
	if at.Open != nil {
		return at.takeOver()
	}
	return at.create()
}

// create creates a socket. It replaces a socket without listener.
func (s *Socket) create() (*socket, error) {
	at, path := *s, s.Path
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("create the %s's folder: %w; see %s", at.Noun, err, at.Key)
	}
	unlock, err := at.lockFolder()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := at.removeStale(path); err != nil {
		return nil, err
	}
	// The socket gets its group and its mode under another name, and is then renamed: clients find it
	// complete.
	fresh := beside(path)
	if err := at.removeStale(fresh); err != nil {
		return nil, err
	}
	listener, err := listenPrivately(at.network(), fresh)
	if err != nil {
		return nil, fmt.Errorf("create the %s %s: %w; see %s", at.Noun, path, err, at.Key)
	}
	made, err := at.finish(fresh)
	if err != nil {
		err = fmt.Errorf("create the %s %s: %w; see %s", at.Noun, path, err, at.Key)
		return nil, errors.Join(err, listener.Close(), os.Remove(fresh))
	}
	return &socket{UnixListener: listener, at: at, made: made}, nil
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

// Close removes the socket's file and stops listening. Later calls of Close and Leave return the
// first call's result.
func (s *socket) Close() error {
	s.once.Do(func() { s.closed = errors.Join(s.remove(), s.UnixListener.Close()) })
	return s.closed
}

// remove removes the socket's file, unless another file is in its place. Call it while the socket
// still listens: then no other director takes the socket for an abandoned one, and the kernel does
// not reuse the inode number.
func (s *socket) remove() error {
	unlock, err := s.at.lockFolder()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the folder is gone, and the socket with it
	}
	if err != nil {
		return err
	}
	defer unlock()
	if s.file() == nil {
		return nil
	}
	return os.Remove(s.at.Path)
}

// file describes the socket's file, or is nil if another file or none is in its place.
func (s *socket) file() fs.FileInfo {
	info, err := os.Lstat(s.at.Path)
	if err != nil || !os.SameFile(info, s.made) {
		return nil
	}
	return info
}

// lockFolder waits until no other director creates or removes a socket in the socket's folder. The
// lock holds until unlock.
func (s *Socket) lockFolder() (unlock func(), err error) {
	folder, err := os.Open(filepath.Dir(s.Path))
	if err != nil {
		return nil, fmt.Errorf("open the %s's folder: %w; see %s", s.Noun, err, s.Key)
	}
	end := time.Now().Add(lockTimeout)
	for err = unix.EWOULDBLOCK; err != nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		if err = unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return func() { folder.Close() }, nil
		}
	}
	err = fmt.Errorf("lock %s for the %s: another program holds the lock: %w",
		folder.Name(), s.Noun, err)
	return nil, errors.Join(err, folder.Close())
}

// removeStale removes a socket that an ended director left behind. It returns an error for the
// socket of a running director and for a file that is not a socket.
func (s *Socket) removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s exists and is not a socket: set another path in %s", path, s.Key)
	}
	conn, err := net.DialTimeout(s.network(), path, time.Second)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, unix.ECONNREFUSED) { // other errors too: a busy director's queue may be full
		return fmt.Errorf("another director uses the %s %s: set a path of its own in %s", s.Noun, path,
			s.Key)
	}
	return os.Remove(path)
}
