package hostway

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// driver is the kernel's driver of TUN and TAP interfaces.
const driver = "/dev/net/tun"

// Available returns an error if this machine has no TAP interfaces. It needs no privileges.
func Available() error {
	if _, err := os.Stat(driver); err != nil {
		return fmt.Errorf("a host interface needs the kernel's tun driver: %w; load the module tun, or "+
			"give the container the device %s", err, driver)
	}
	return nil
}

// openTAP opens a TAP interface, and makes it if it does not exist. It stays when the descriptor is
// closed. Reads and writes do not block.
func openTAP(name string) (fd int, err error) {
	if err := mayOpen(name); err != nil {
		return -1, err
	}
	fd, err = unix.Open(driver, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, Available()
	}
	if err != nil {
		return -1, fmt.Errorf("opening %s: %w", driver, err)
	}
	if err := attach(fd, name); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// mayOpen returns an error if an interface of that name exists that is no TAP.
func mayOpen(name string) error {
	link, err := netlink.LinkByName(name)
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for the interface: %w", err)
	}
	if t, tun := link.(*netlink.Tuntap); !tun || t.Mode != netlink.TUNTAP_MODE_TAP {
		return fmt.Errorf("an interface of that name exists and is no TAP, but of type %s; "+
			"choose another name", link.Type())
	}
	return nil
}

// attach makes a descriptor that of an interface. The flags of an older one are replaced: frames
// come without a header of packet information (IFF_NO_PI) and without one of offloads.
func attach(fd int, name string) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	switch err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); {
	case errors.Is(err, unix.EBUSY):
		return errors.New("another process has it open; is another director running?")
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("attaching to the TAP: %w; if one exists with multi_queue, delete it", err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("attaching to the TAP: %w; it needs CAP_NET_ADMIN", err)
	case err != nil:
		return fmt.Errorf("attaching to the TAP: %w", err)
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, 0); err != nil {
		return fmt.Errorf("switching off its offloads: %w", err)
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1); err != nil {
		return fmt.Errorf("making it persistent: %w", err)
	}
	return nil
}

// takeOver returns the descriptor of a TAP that the process before passed on, and closes the file.
// Its queue is that of the interface: frames that wait there stay.
func takeOver(passed *os.File, name string) (fd int, err error) {
	defer passed.Close()
	request, err := unix.NewIfreq(name)
	if err != nil {
		return -1, err
	}
	if fd, err = duplicate(int(passed.Fd())); err != nil {
		return -1, err
	}
	err = unix.IoctlIfreq(fd, unix.TUNGETIFF, request)
	switch {
	case err != nil:
		err = fmt.Errorf("asking what was passed on: %w", err)
	case request.Name() != name || request.Uint16()&unix.IFF_TAP == 0:
		err = fmt.Errorf("the interface passed on is another one: %s", request.Name())
	default:
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// duplicate returns another descriptor of an open file.
func duplicate(fd int) (int, error) {
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("duplicating its descriptor: %w", err)
	}
	return copied, nil
}
