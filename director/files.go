package director

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"fulcrum/handover"
)

// The names of the descriptors that a director passes on. They contain where things are, so that a
// successor with another configuration does not take what is elsewhere.

const keepName = "session.keep"

func stateName(folder string) string   { return "state " + folder }
func hostName(name string) string      { return "host " + name }
func socketName(path string) string    { return "socket " + path }
func metricsName(listen string) string { return "metrics " + listen }
func remoteName(listen string) string  { return "remote " + listen }

// deviceName is the name of the descriptors of devices, in their order.
func deviceName(i int) string { return fmt.Sprintf("device %d", i) }

// inherited returns a descriptor of the predecessor; nil if there is none.
func (d *Director) inherited(name string) *os.File {
	if d.cfg.Predecessor == nil {
		return nil
	}
	return d.cfg.Predecessor.Files.Take(name)
}

// files returns copies of the descriptors that a successor takes over, but those of devices.
func (d *Director) files() (handover.Files, error) {
	all := handover.Files{}
	add := func(name string, open func() (*os.File, error)) error {
		f, err := open()
		if err == nil {
			all[name] = f
		}
		return err
	}
	err := add(keepName, func() (*os.File, error) { return copied(d.engine.KeepLock()) })
	if s := d.keeping.state; s != nil {
		err = errors.Join(err, add(stateName(d.stateFolder()), s.File))
	}
	for _, i := range d.hosting.interfaces {
		if i != nil {
			err = errors.Join(err, add(hostName(i.Name()), i.File))
		}
	}
	return all, errors.Join(err, d.serving.addFiles(add))
}

// addFiles adds the listening sockets.
func (s *serving) addFiles(add func(string, func() (*os.File, error)) error) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cfg.Config
	if s.socket != nil {
		err = add(socketName(c.Director.Control), s.socket.File)
	}
	if s.ipvs != nil {
		err = errors.Join(err, add(socketName(c.Director.IPVS), s.ipvs.File))
	}
	if s.pages != nil {
		err = errors.Join(err, add(metricsName(c.Metrics.Listen.String()), s.pages.File))
	}
	if s.remote != nil {
		err = errors.Join(err, add(remoteName(c.Control.Listen.String()), s.remote.File))
	}
	return err
}

// copied returns another descriptor of a file.
func copied(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
