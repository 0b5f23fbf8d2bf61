package control

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// State is a folder that keeps what was done live, so that it survives a restart: overrides,
// drains, and the revision's number. A program holds its folder until Close. It is safe for
// concurrent use.
//
// The folder has one file, which is always replaced as a whole. Its first line is
// "fulcrum-state", the version of the format and the SHA-256 of what follows, which is JSON.
type State struct {
	folder string
	lock   *os.File
	log    *slog.Logger

	writing sync.Mutex // held while the file is written, which takes a disk's time

	mu      sync.Mutex // guards problem; held for moments only
	problem error      // why the last write failed
}

const (
	stateName    = "state"
	lockName     = "lock"
	stateMagic   = "fulcrum-state"
	stateVersion = 1
)

// ErrStateTaken says that another process has a state folder.
var ErrStateTaken = errors.New("it belongs to another director that runs")

// OpenState takes a folder for this process, and creates it if needed. The error is ErrStateTaken
// if another process has it.
func OpenState(folder string, log *slog.Logger) (*State, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("create the state folder: %w; name another one in director.state", err)
	}
	lock, err := os.OpenFile(filepath.Join(folder, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("use the state folder: %w; name another one in director.state", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		err = fmt.Errorf("use the state folder %s: %w: name another one in director.state", folder,
			ErrStateTaken)
		return nil, errors.Join(err, lock.Close())
	}
	s := &State{folder: folder, lock: lock, log: log}
	return s, s.removeParts()
}

// AdoptState is like OpenState with the lock that the process before passes on: both processes have
// the folder then, and one at a time may write. What the other one is writing stays. The lock
// belongs to the callee, which closes it.
func AdoptState(folder string, lock *os.File, log *slog.Logger) (*State, error) {
	if err := checkLock(folder, lock); err != nil {
		err = fmt.Errorf("take over the state folder %s: %w", folder, err)
		return nil, errors.Join(err, lock.Close())
	}
	return &State{folder: folder, lock: lock, log: log}, nil
}

// checkLock returns an error unless a file is the lock of a folder, and locked. A lock belongs to
// what was opened, not to a process: who has it may take it again (flock(2)).
func checkLock(folder string, lock *os.File) error {
	is, err := lock.Stat()
	if err != nil {
		return err
	}
	want, err := os.Stat(filepath.Join(folder, lockName))
	if err != nil {
		return err
	}
	if !os.SameFile(is, want) {
		return errors.New("the lock passed on is that of another folder")
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return ErrStateTaken
	}
	return nil
}

// File returns a duplicate of the folder's lock, to be passed on to another process. The folder is
// taken until both have closed it.
func (s *State) File() (*os.File, error) {
	fd, err := unix.FcntlInt(s.lock.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate the lock of the state folder: %w", err)
	}
	return os.NewFile(uintptr(fd), s.lock.Name()), nil
}

// removeParts removes what was being written when an earlier process ended.
func (s *State) removeParts() error {
	all, err := os.ReadDir(s.folder)
	for _, entry := range all {
		if strings.HasPrefix(entry.Name(), "."+stateName) {
			err = errors.Join(err, os.Remove(filepath.Join(s.folder, entry.Name())))
		}
	}
	return err
}

// Close gives the folder back. Its file stays.
func (s *State) Close() error { return s.lock.Close() }

// Problem returns why the last change could not be kept, or nil.
func (s *State) Problem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

func (s *State) file() string { return filepath.Join(s.folder, stateName) }

// write replaces the file by what content returns when it is called.
func (s *State) write(content func() *stored) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	err := s.replace(content())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problem = err
	return err
}

func (s *State) replace(content *stored) error {
	body, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	head := fmt.Sprintf("%s %d %x\n", stateMagic, stateVersion, sha256.Sum256(body))
	text := append([]byte(head), body...)
	if err := renameio.WriteFile(s.file(), text, 0o600, renameio.WithTempDir(s.folder)); err != nil {
		return err
	}
	return syncFolder(s.folder)
}

// syncFolder makes a renamed file last over a loss of power.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// read returns what the folder keeps, or nil if it keeps nothing. A file that cannot be used is put
// aside, with a word in the log.
func (s *State) read() *stored {
	data, err := os.ReadFile(s.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var content *stored
	if err == nil {
		content, err = decodeState(data)
	}
	if err != nil {
		s.putAside(err)
		return nil
	}
	return content
}

// putAside renames the file, so that the next write does not destroy it.
func (s *State) putAside(why error) {
	aside := s.file() + ".damaged-" + time.Now().UTC().Format("20060102T150405")
	err := os.Rename(s.file(), aside)
	s.log.Warn("the state cannot be used: the director starts as the file says",
		"reason", why, "kept as", aside, "error", err)
}

// decodeState reads a file of the folder.
func decodeState(data []byte) (*stored, error) {
	head, body, _ := bytes.Cut(data, []byte("\n"))
	var version int
	var sum string
	if _, err := fmt.Sscanf(string(head), stateMagic+" %d %64s", &version, &sum); err != nil {
		return nil, errors.New("it does not begin with " + stateMagic)
	}
	if version != stateVersion {
		return nil, fmt.Errorf("it has version %d, and this program reads version %d", version,
			stateVersion)
	}
	if sum != fmt.Sprintf("%x", sha256.Sum256(body)) {
		return nil, errors.New("its checksum is wrong")
	}
	content := new(stored)
	if err := json.Unmarshal(body, content); err != nil {
		return nil, err
	}
	return content, nil
}
