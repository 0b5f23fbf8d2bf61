package probe

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Package unix has no address of family AF_UNSPEC, which connect(2) takes to dissolve a
// connection. The kernel reads the bytes of a local variable, for whose whole length the call asks,
// and keeps no pointer to it; so the use of unsafe here is sound.

// disconnect resets the connection of a TCP socket, which can then be connected again.
func disconnect(socket int) error {
	var none unix.RawSockaddr // AF_UNSPEC is 0
	_, _, code := unix.Syscall(unix.SYS_CONNECT, uintptr(socket),
		uintptr(unsafe.Pointer(&none)), unsafe.Sizeof(none))
	if code != 0 {
		return code
	}
	return nil
}
