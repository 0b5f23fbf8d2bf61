package dpdk

// Why this is sound: the ethtool ioctl's request holds a pointer to its value, a Go variable that
// is kept alive until the call returns. The kernel writes at most its eight bytes and keeps no
// reference.

import (
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtoolValue is the kernel's struct ethtool_value.
type ethtoolValue struct{ command, data uint32 }

// ethtoolRequest is the kernel's struct ifreq with a pointer as its union.
type ethtoolRequest struct {
	name  [unix.IFNAMSIZ]byte
	value *ethtoolValue
	_     [16]byte
}

// ethtool reads or sets a feature of the interface.
func (i *networkInterface) ethtool(value ethtoolValue) (ethtoolValue, error) {
	request := &ethtoolRequest{value: &value}
	copy(request.name[:unix.IFNAMSIZ-1], i.current())
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(i.socket), unix.SIOCETHTOOL,
		uintptr(unsafe.Pointer(request)))
	runtime.KeepAlive(request)
	if errno != 0 {
		return value, errno
	}
	return value, nil
}

// noteMerging warns about GRO. Packet sockets receive the packets that GRO has merged, and
// net_af_packet loses those above the MTU. If the interface cannot be asked, there is no note.
func (p *port) noteMerging() {
	if p.found == nil || !strings.HasPrefix(p.device.name, "net_af_packet") {
		return
	}
	gro, err := p.found.ethtool(ethtoolValue{command: unix.ETHTOOL_GGRO})
	if err == nil && gro.data != 0 {
		name := p.found.name
		p.note("interface %s merges received packets (GRO): those above the MTU are lost "+
			"(ethtool -K %s tx off tso off gso off gro off)", name, name)
	}
}
