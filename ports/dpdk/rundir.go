package dpdk

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The EAL keeps files in a directory that --file-prefix names. Each process has its own directory
// and holds a lock on a file in it while it lives. The kernel releases the lock however the
// process dies. A lock that another process can take therefore proves that the directory is stale.
// Process numbers prove nothing: they are reused, and containers have their own.

const lockFile = "fulcrum.lock"

// runtimeDirectory is the directory of this process.
type runtimeDirectory struct {
	path string
	lock *os.File
}

// runtimeParent returns the directory in which the EAL creates its directories
// (eal_create_runtime_dir).
func runtimeParent() string { return filepath.Join(runtimeBase(os.Geteuid() == 0, os.Getenv), "dpdk") }

func runtimeBase(root bool, getenv func(string) string) string {
	if d := getenv("RUNTIME_DIRECTORY"); d != "" {
		return d
	}
	if root {
		return "/var/run"
	}
	return cmp.Or(getenv("XDG_RUNTIME_DIR"), "/tmp")
}

// newRuntimeDirectory removes stale directories and creates a new one.
func newRuntimeDirectory(parent string) (*runtimeDirectory, error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("creating DPDK's runtime directory: %w; "+
			"set RUNTIME_DIRECTORY to a directory of your own", err)
	}
	if err := ownDirectory(parent); err != nil {
		return nil, err
	}
	// A directory looks stale between its creation and its lock, so only one process may be here.
	turn, err := lock(parent, os.O_RDONLY, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer turn.Close()
	sweep(parent)

	path, err := os.MkdirTemp(parent, fmt.Sprintf("fulcrum-%d-", os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("creating DPDK's runtime directory: %w", err)
	}
	held, err := lock(filepath.Join(path, lockFile), os.O_CREATE|os.O_RDWR, unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		os.RemoveAll(path)
		return nil, err
	}
	return &runtimeDirectory{path: path, lock: held}, nil
}

// ownDirectory returns an error for a directory that another user has made: in /tmp anyone can, and
// what lies in it is not to be trusted.
func ownDirectory(path string) error {
	var info unix.Stat_t
	if err := unix.Lstat(path, &info); err != nil {
		return fmt.Errorf("looking at DPDK's runtime directory %s: %w", path, err)
	}
	if int(info.Uid) == os.Geteuid() && info.Mode&unix.S_IFMT == unix.S_IFDIR {
		return nil
	}
	return fmt.Errorf("DPDK's runtime directory %s belongs to another user: "+
		"set RUNTIME_DIRECTORY to a directory of your own", path)
}

// prefix returns the --file-prefix for the directory.
func (d *runtimeDirectory) prefix() string { return filepath.Base(d.path) }

func (d *runtimeDirectory) remove() error {
	defer d.lock.Close()
	if err := os.RemoveAll(d.path); err != nil {
		return fmt.Errorf("removing DPDK's runtime directory: %w", err)
	}
	return nil
}

// sweep removes the directories of dead processes. If a removal fails, the next process tries
// again.
func sweep(parent string) {
	candidates, _ := filepath.Glob(filepath.Join(parent, "fulcrum-*-*", lockFile))
	for _, candidate := range candidates {
		stale, err := lock(candidate, os.O_RDWR, unix.LOCK_EX|unix.LOCK_NB)
		if err != nil {
			continue
		}
		os.RemoveAll(filepath.Dir(candidate))
		stale.Close()
	}
}

// lock opens a file or directory and locks it until the caller closes it.
func lock(path string, open, how int) (*os.File, error) {
	f, err := os.OpenFile(path, open, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening %s to lock it: %w", path, err)
	}
	if err := unix.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return f, nil
}
