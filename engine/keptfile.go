package engine

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// keptLog is a text file that grows, written by mapping: hugetlbfs has no write(2). What follows
// the text are zeros.
type keptLog struct {
	file *os.File
	page []byte // where the text goes on
	at   int    // in page
	size int64  // of the file
}

// keptStep is the step in which such files grow, in bytes: a huge page of hugetlbfs.
const keptStep = 2 << 20

// newKeptLog makes a file, which must not be there.
func newKeptLog(path string) (*keptLog, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &keptLog{file: f}, nil
}

// add adds a text. After a crash within it, its end is missing.
func (l *keptLog) add(text []byte) error {
	for len(text) > 0 {
		if l.at == len(l.page) {
			if err := l.grow(); err != nil {
				return err
			}
		}
		n := copy(l.page[l.at:], text)
		l.at, text = l.at+n, text[n:]
	}
	return nil
}

// grow maps another piece of the file.
func (l *keptLog) grow() error {
	page, err := mapKept(l.file, l.size)
	if err != nil {
		return err
	}
	err = l.unmap()
	l.page, l.at, l.size = page, 0, l.size+keptStep
	return err
}

// mapKept maps the piece of a file from an offset on, which it makes longer for that. It is an
// error if the file system has no room: a write to the mapping would be a signal.
func mapKept(f *os.File, at int64) ([]byte, error) {
	fd := int(f.Fd())
	if err := unix.Fallocate(fd, 0, at, keptStep); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	page, err := unix.Mmap(fd, at, keptStep, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return page, nil
}

func (l *keptLog) unmap() error {
	if l.page == nil {
		return nil
	}
	err := unix.Munmap(l.page)
	l.page, l.at = nil, 0
	return err
}

func (l *keptLog) close() error { return errors.Join(l.unmap(), l.file.Close()) }

// writeKept makes a file with a text.
func writeKept(path string, text []byte) error {
	l, err := newKeptLog(path)
	if err != nil {
		return err
	}
	return errors.Join(l.add(text), l.close())
}
