package dpdk

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// networkInterface is the kernel's interface below a device, in its state before a driver changed
// it. Drivers set its MTU and make it promiscuous, which outlives them, so the director has to
// undo it.
type networkInterface struct {
	name   string // as the device names it; current has what it is renamed to
	index  int    // the kernel's number, which no other interface gets
	socket int    // in the interface's namespace, so that any thread can close the port
	mtu    int
	flags  uint16
}

// driverFlags are the flags that drivers change.
const driverFlags = unix.IFF_PROMISC | unix.IFF_ALLMULTI

func findInterface(name string) (*networkInterface, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	i := &networkInterface{name: name, socket: socket}
	if i.mtu, i.flags, err = i.state(); err == nil {
		i.index, err = i.present()
	}
	if err != nil {
		unix.Close(socket)
		return nil, err
	}
	return i, nil
}

// present returns the number of the interface that has the name now.
func (i *networkInterface) present() (index int, err error) {
	request, err := unix.NewIfreq(i.name)
	if err != nil {
		return 0, err
	}
	err = unix.IoctlIfreq(i.socket, unix.SIOCGIFINDEX, request)
	return int(request.Uint32()), err
}

// current returns the interface's present name. It is the device's own one if the interface is not
// there.
func (i *networkInterface) current() string {
	request, err := unix.NewIfreq(i.name)
	if err != nil {
		return i.name
	}
	request.SetUint32(uint32(i.index))
	if unix.IoctlIfreq(i.socket, unix.SIOCGIFNAME, request) != nil {
		return i.name
	}
	return request.Name()
}

// renamed returns the interface's present name if it is not the device's own one, or "".
func (i *networkInterface) renamed() string {
	if name := i.current(); name != i.name {
		return name
	}
	return ""
}

// gone reports whether the interface was deleted or left the namespace, and whether another one
// has its name by now. One that was only renamed is not gone.
func (i *networkInterface) gone() (gone, returned bool) {
	request, err := unix.NewIfreq(i.name)
	if err != nil {
		return false, false
	}
	request.SetUint32(uint32(i.index))
	if err := unix.IoctlIfreq(i.socket, unix.SIOCGIFNAME, request); !errors.Is(err, unix.ENODEV) {
		return false, false
	}
	_, err = i.present()
	return true, err == nil
}

// state reads the current MTU and flags from the kernel (netdevice(7)).
func (i *networkInterface) state() (mtu int, flags uint16, err error) {
	request, err := unix.NewIfreq(i.current())
	if err != nil {
		return 0, 0, err
	}
	if err := unix.IoctlIfreq(i.socket, unix.SIOCGIFMTU, request); err != nil {
		return 0, 0, err
	}
	mtu = int(request.Uint32())
	err = unix.IoctlIfreq(i.socket, unix.SIOCGIFFLAGS, request)
	return mtu, request.Uint16(), err
}

// carries reports whether the interface is up and has a carrier.
func (i *networkInterface) carries() bool {
	_, flags, err := i.state()
	return err == nil && flags&unix.IFF_RUNNING != 0
}

// presentMTU returns the interface's MTU as it is now, or 0 if it cannot be read.
func (i *networkInterface) presentMTU() int {
	if gone, _ := i.gone(); gone {
		return 0 // what has its name is another interface
	}
	mtu, _, err := i.state()
	if err != nil {
		return 0
	}
	return mtu
}

func (i *networkInterface) setMTU(mtu int) error {
	request, err := unix.NewIfreq(i.current())
	if err != nil {
		return err
	}
	request.SetUint32(uint32(mtu))
	return unix.IoctlIfreq(i.socket, unix.SIOCSIFMTU, request)
}

func (i *networkInterface) setFlags(flags uint16) error {
	request, err := unix.NewIfreq(i.current())
	if err != nil {
		return err
	}
	request.SetUint16(flags)
	return unix.IoctlIfreq(i.socket, unix.SIOCSIFFLAGS, request)
}

// restore undoes the driver's changes. If the MTU is not the driver's, another program has set it,
// and it stays. A missing interface needs nothing.
func (i *networkInterface) restore(driverMTU int) error {
	defer unix.Close(i.socket)
	if gone, _ := i.gone(); gone {
		return nil
	}
	mtu, flags, err := i.state()
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err == nil && mtu == driverMTU && mtu != i.mtu {
		err = i.setMTU(i.mtu)
	}
	if found := flags&^driverFlags | i.flags&driverFlags; err == nil && found != flags {
		err = i.setFlags(found)
	}
	return err
}

// command returns the command by which an operator restores the interface.
func (i *networkInterface) command() string {
	words := []string{"ip link set", i.current(), "mtu", fmt.Sprint(i.mtu)}
	for _, f := range []struct {
		name string
		bit  uint16
	}{{"promisc", unix.IFF_PROMISC}, {"allmulticast", unix.IFF_ALLMULTI}} {
		state := "off"
		if i.flags&f.bit != 0 {
			state = "on"
		}
		words = append(words, f.name, state)
	}
	return strings.Join(words, " ")
}

// findInterface records the state of the device's interface. It lowers the port's MTU to that of
// the interface: a larger MTU does not carry longer packets through an overlay network. A missing
// interface is not an error, because some drivers create it and the others report it.
func (p *port) findInterface() *Error {
	name := p.device.kernelInterface()
	if name == "" {
		return nil
	}
	found, err := findInterface(name)
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	if err != nil {
		return p.config.fail("reading MTU and flags of interface "+name, err, p.probeHint())
	}
	p.found = found
	if p.config.Beside != nil {
		found.adopt(p.config.Beside.Interface)
	}
	if found.mtu < p.config.MTU {
		p.note("interface %s has MTU %d, which the port uses instead of %d",
			name, found.mtu, p.config.MTU)
		p.config.MTU = found.mtu
	}
	return nil
}

// findMade finds the interface that the driver has created, if it has, to notice that it is
// deleted.
func (p *port) findMade() *Error {
	name := p.device.kernelInterface()
	if name == "" || p.found != nil {
		return nil
	}
	made, err := findInterface(name)
	if err == nil {
		p.made = made
	}
	return nil
}

// releaseInterface restores the state that findInterface recorded, unless another process goes on
// with the interface.
func (p *port) releaseInterface() error {
	if p.made != nil {
		unix.Close(p.made.socket)
		p.made = nil
	}
	found := p.found
	if found == nil {
		return nil
	}
	p.found = nil
	if p.leaves {
		unix.Close(found.socket)
		return nil
	}
	if err := found.restore(p.config.MTU); err != nil {
		return p.config.fail("restoring MTU and flags of interface "+found.name, err, found.command())
	}
	return nil
}
