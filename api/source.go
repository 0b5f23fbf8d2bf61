package api

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// sourceOf returns whom a connection counts for: the user at a unix socket, else the address. Of
// IPv6 it is the subnet of 64 bits, which one host may use as a whole (RFC 4291, section 2.5.4).
func sourceOf(c net.Conn) string {
	if u, ok := c.(*net.UnixConn); ok {
		return userOf(u)
	}
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return c.RemoteAddr().String()
	}
	a := at.Addr().Unmap()
	if a.Is4() {
		return a.String()
	}
	subnet, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a.String()
	}
	return subnet.String()
}

// userOf returns the user that connected to a unix socket.
func userOf(c *net.UnixConn) string {
	peer := peerOf(c)
	if peer == nil {
		return "unknown user"
	}
	return fmt.Sprint("user ", peer.Uid)
}

// peerOf returns the process that connected to a unix socket, or nil if the kernel does not tell.
func peerOf(c *net.UnixConn) *unix.Ucred {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	var peer *unix.Ucred
	failed := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if failed != nil || err != nil {
		return nil
	}
	return peer
}
