package api

import (
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// reread holds what some files contain. It reads them again once one of them has changed.
type reread[T any] struct {
	what  string // for the log
	files []string
	read  func() (T, error)
	log   *slog.Logger

	mu       sync.Mutex // guards the fields below
	versions []fileVersion
	current  T
}

// fileVersion tells one content of a file, or one set of rights, from another.
type fileVersion struct {
	changed time.Time
	size    int64
	mode    fs.FileMode
}

// newReread reads the files for the first time.
func newReread[T any](
	what string, files []string, log *slog.Logger, read func() (T, error),
) (*reread[T], error) {
	r := &reread[T]{what: what, files: files, read: read, log: log}
	r.versions = r.versionsNow()
	var err error
	r.current, err = read()
	return r, err
}

func (r *reread[T]) versionsNow() []fileVersion {
	all := make([]fileVersion, len(r.files))
	for i, file := range r.files {
		if info, err := os.Stat(file); err == nil {
			all[i] = fileVersion{info.ModTime(), info.Size(), info.Mode()}
		}
	}
	return all
}

// get returns what the files contain. While that is invalid, as between the renewal of one file and
// of another, what they contained before stays.
func (r *reread[T]) get() T {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.versionsNow(); !slices.Equal(now, r.versions) {
		r.versions = now
		r.renew()
	}
	return r.current
}

func (r *reread[T]) renew() {
	next, err := r.read()
	if err != nil {
		r.log.Warn("the control API's "+r.what+" has changed and cannot be read; the former one stays",
			"error", err)
		return
	}
	r.current = next
	r.log.Info("the control API's "+r.what+" was read again", "file", r.files[0])
}
