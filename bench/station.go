package bench

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"fulcrum/ethtool"
)

// station is a network namespace without a name. It ends with the processes in it and with this
// one, however that ends.
type station struct{ namespace netns.NsHandle }

// newStation makes a station without IPv6, so that nothing is sent unasked.
func newStation() (s station, err error) {
	made := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if s.namespace, err = netns.New(); err == nil {
			err = writeSettings(map[string]string{"ipv6/conf/default/disable_ipv6": "1"})
		}
		made <- err
	}()
	if err := <-made; err != nil {
		return s, fmt.Errorf("make a network namespace: %w", err)
	}
	return s, nil
}

// do calls a function in the station. The caller is locked to its thread.
func (s station) do(inside func() error) (err error) {
	home, err := netns.Get()
	if err != nil {
		return fmt.Errorf("find the network namespace: %w", err)
	}
	defer home.Close()
	if err := netns.Set(s.namespace); err != nil {
		return fmt.Errorf("enter a network namespace: %w", err)
	}
	defer func() { err = errors.Join(err, netns.Set(home)) }()
	return inside()
}

// writeSettings writes settings below /proc/sys/net of the present station.
func writeSettings(all map[string]string) error {
	for name, value := range all {
		err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("set net/%s: %w", name, err)
		}
	}
	return nil
}

// connect lays a cable, a veth pair, from this station to another one.
func (s station) connect(name string, other station, otherName string) error {
	return s.do(func() error {
		veth := netlink.NewVeth(netlink.LinkAttrs{Name: name})
		veth.PeerName, veth.PeerNamespace = otherName, netlink.NsFd(other.namespace)
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("make a veth pair: %w", err)
		}
		return errors.Join(bringUp(name), other.do(func() error { return bringUp(otherName) }))
	})
}

// unwanted are the offloads that a packet socket cannot do for the kernel, in the order in which
// they are switched off.
var unwanted = []uint32{
	unix.ETHTOOL_STSO, unix.ETHTOOL_SGSO, unix.ETHTOOL_SGRO, unix.ETHTOOL_SSG, unix.ETHTOOL_STXCSUM,
}

// bringUp sets up an interface of the present station, without offloads.
func bringUp(name string) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	for _, command := range unwanted {
		if err := ethtool.Set(socket, name, command, 0); err != nil {
			return fmt.Errorf("switch offloads of %s off: %w", name, err)
		}
	}
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return nil
}

// give gives an interface of the station addresses, such as "10.0.0.1/24".
func (s station) give(name string, addresses ...string) error {
	return s.do(func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find %s: %w", name, err)
		}
		for _, text := range addresses {
			address, err := netlink.ParseAddr(text)
			if err == nil {
				err = netlink.AddrAdd(link, address)
			}
			if err != nil {
				return fmt.Errorf("give %s the address %s: %w", name, text, err)
			}
		}
		return nil
	})
}

// leadOut sets the station's default route.
func (s station) leadOut(gateway string) error {
	return s.do(func() error {
		via, err := netlink.ParseAddr(gateway + "/32")
		if err == nil {
			err = netlink.RouteAdd(&netlink.Route{Gw: via.IP})
		}
		if err != nil {
			return fmt.Errorf("add the default route via %s: %w", gateway, err)
		}
		return nil
	})
}

func (s station) close() {
	if s.namespace.IsOpen() {
		s.namespace.Close()
	}
}
