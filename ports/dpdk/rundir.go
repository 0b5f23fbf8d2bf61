package dpdk

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The EAL keeps files in a directory named by --file-prefix. Each process has one of its own, with
// a lock file in it that is held for as long as the process lives. The kernel lets go of the lock
// when the process dies, however it dies, so that a lock that can be had is the proof that a
// directory is stale. Process numbers would not do: they are reused, and differ between containers.

const lockFile = "fulcrum.lock"

// runtimeDirectory is one process's directory.
type runtimeDirectory struct {
	path string
	lock *os.File
}

// runtimeParent is where the EAL makes its directories (eal_create_runtime_dir, for root).
func runtimeParent() string {
	parent := os.Getenv("RUNTIME_DIRECTORY")
	if parent == "" {
		parent = "/var/run"
	}
	return filepath.Join(parent, "dpdk")
}

// newRuntimeDirectory sweeps stale directories and makes a new one.
func newRuntimeDirectory(parent string) (*runtimeDirectory, error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, fmt.Errorf("making DPDK's runtime directory: %w", err)
	}
	// Between making a directory and locking it, it looks stale: one process at a time.
	turn, err := lock(parent, os.O_RDONLY, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer turn.Close()
	sweep(parent)

	path, err := os.MkdirTemp(parent, fmt.Sprintf("fulcrum-%d-", os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("making DPDK's runtime directory: %w", err)
	}
	held, err := lock(filepath.Join(path, lockFile), os.O_CREATE|os.O_RDWR, unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		os.RemoveAll(path)
		return nil, err
	}
	return &runtimeDirectory{path: path, lock: held}, nil
}

// prefix is the --file-prefix that leads the EAL to the directory.
func (d *runtimeDirectory) prefix() string { return filepath.Base(d.path) }

func (d *runtimeDirectory) remove() error {
	defer d.lock.Close()
	if err := os.RemoveAll(d.path); err != nil {
		return fmt.Errorf("removing DPDK's runtime directory: %w", err)
	}
	return nil
}

// sweep removes the directories of dead processes. What cannot be removed is left to the next.
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

// lock opens a file or directory and locks it until it is closed.
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
