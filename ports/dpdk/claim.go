package dpdk

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// claim marks a network interface as taken by this process. Packet sockets would let two directors
// open the same one, and both would answer. An abstract socket lives in a network namespace, as the
// interface does, and goes away with its process.
func claim(iface string) (net.Listener, error) {
	l, err := net.Listen("unix", "@fulcrum/interface/"+iface)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, syscall.EBUSY
	}
	if err != nil {
		return nil, fmt.Errorf("marking interface %s as taken: %w", iface, err)
	}
	return l, nil
}
