package handover

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Files are the descriptors that are passed on, by names that both sides know, such as
// "control /run/fulcrum.sock". A name has no newline.
type Files map[string]*os.File

// Take returns a file for its user, who closes it; nil if there is none of that name.
func (f Files) Take(name string) *os.File {
	file := f[name]
	delete(f, name)
	return file
}

// TakeAll returns the files of the names of 0, 1, 2 and so on.
func (f Files) TakeAll(name func(i int) string) (all []*os.File) {
	for {
		file := f.Take(name(len(all)))
		if file == nil {
			return all
		}
		all = append(all, file)
	}
}

// Close closes the files that were not taken.
func (f Files) Close() (err error) {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		err = errors.Join(err, f.Take(name).Close())
	}
	return err
}

// Add adds files under the names of 0, 1, 2 and so on.
func (f Files) Add(name func(i int) string, all []*os.File) {
	for i, file := range all {
		f[name(i)] = file
	}
}

// Variable is the environment variable that tells a process of its predecessor. It has the names of
// its descriptors, one in each line, from descriptor 3 on. The first one is the channel.
const Variable = "FULCRUM_HANDOVER"

const (
	channelName     = "channel"
	firstDescriptor = 3
	mostFiles       = 4096
)

// inherited returns the descriptors that this process got from its predecessor. Programs that it
// starts do not get them.
func inherited(names string) (Files, error) {
	lines := strings.Split(names, "\n")
	if lines[0] != channelName || len(lines) > mostFiles {
		return nil, fmt.Errorf("%s has no channel", Variable)
	}
	files := Files{}
	for i, name := range lines {
		fd := firstDescriptor + i
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return nil, errors.Join(fmt.Errorf("descriptor %d, %q: %w", fd, name, err), files.Close())
		}
		files[name] = os.NewFile(uintptr(fd), name)
	}
	return files, nil
}

// pair returns the two ends of a channel.
func pair() (own net.Conn, other *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("a channel to the successor: %w", err)
	}
	other = os.NewFile(uintptr(fds[1]), channelName)
	own, err = connOf(os.NewFile(uintptr(fds[0]), channelName))
	if err != nil {
		return nil, nil, errors.Join(err, other.Close())
	}
	return own, other, nil
}

// connOf returns the connection of a socket, and closes the file.
func connOf(f *os.File) (net.Conn, error) {
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("the channel of a handover: %w", err)
	}
	return conn, nil
}
