package dpdk

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// claim marks a network interface as used by this process. Packet sockets would let two directors
// open the same interface, and both would answer. An abstract socket belongs to a network
// namespace, like the interface, and disappears with its process.
func claim(iface string) (net.Listener, error) {
	l, err := net.Listen("unix", "@fulcrum/interface/"+iface)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, syscall.EBUSY
	}
	if err != nil {
		return nil, fmt.Errorf("marking interface %s as used: %w", iface, err)
	}
	return l, nil
}
