package ethtool

// Why this is sound: the ioctl's request holds a real pointer to its value, which the garbage
// collector and a moving stack follow, and is converted to a uintptr in the call itself. It is kept
// alive until the call returns, and with it the value. The kernel writes at most the value's eight
// bytes and keeps no reference.

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// value is struct ethtool_value (linux/ethtool.h).
type value struct{ command, data uint32 }

// request is struct ifreq (linux/if.h) with a pointer as its union.
type request struct {
	name  [unix.IFNAMSIZ]byte
	value *value
	_     [16]byte
}

// Get returns a feature of an interface in the namespace of a socket of any kind. The command is
// one of unix.ETHTOOL_G..., such as unix.ETHTOOL_GGRO; 0 is off. The error is a unix.Errno.
func Get(socket int, device string, command uint32) (uint32, error) {
	return call(socket, device, value{command: command})
}

// Set sets a feature of an interface. The command is one of unix.ETHTOOL_S..., and data 1 or 0.
// Drivers may accept it and leave the feature as it is. The error is a unix.Errno.
func Set(socket int, device string, command, data uint32) error {
	_, err := call(socket, device, value{command, data})
	return err
}

func call(socket int, device string, v value) (uint32, error) {
	if len(device) >= unix.IFNAMSIZ {
		return 0, unix.ENODEV // a part of the name may be another interface's
	}
	r := &request{value: &v}
	copy(r.name[:], device)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(socket), unix.SIOCETHTOOL,
		uintptr(unsafe.Pointer(r)))
	runtime.KeepAlive(r)
	if errno != 0 {
		return 0, errno
	}
	return v.data, nil
}
