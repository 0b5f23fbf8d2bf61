package dpdk

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

const claimPrefix = "@fulcrum/interface/"

// claim marks the interface, or takes the other process's mark over.
func (c PortConfig) claim(iface string) (net.Listener, error) {
	if c.Claim == nil {
		return claim(iface)
	}
	l, err := net.FileListener(c.Claim)
	if err != nil {
		return nil, fmt.Errorf("taking over the mark on interface %s: %w", iface, err)
	}
	if name := l.Addr().String(); name != claimPrefix+iface {
		l.Close()
		return nil, fmt.Errorf("the other process's mark is %q: %w", name, syscall.EINVAL)
	}
	return l, nil
}

// claim marks a network interface as used by this process. Packet sockets would let two directors
// open the same interface, and both would answer. An abstract socket belongs to a network
// namespace, like the interface, and disappears with its process.
func claim(iface string) (net.Listener, error) {
	l, err := net.Listen("unix", claimPrefix+iface)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, syscall.EBUSY
	}
	if err != nil {
		return nil, fmt.Errorf("marking interface %s as used: %w", iface, err)
	}
	return l, nil
}
