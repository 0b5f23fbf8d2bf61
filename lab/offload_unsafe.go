package lab

// The ethtool ioctl needs unsafe, because its request holds a pointer to its value. This is sound:
// the value is a Go variable that stays alive until the call returns, the kernel writes at most its
// eight bytes, and it keeps no reference.

import (
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An offload is work on packets that the kernel leaves to a network card. The af_packet driver does
// none of it: it would see packets without checksum and packets longer than the MTU.
type offload struct {
	name     string
	get, set uint32 // ethtool commands
}

// offloads are in the order in which they are switched off: segmentation depends on scatter-gather,
// which depends on checksums.
var offloads = []offload{
	{"TSO", unix.ETHTOOL_GTSO, unix.ETHTOOL_STSO},
	{"GSO", unix.ETHTOOL_GGSO, unix.ETHTOOL_SGSO},
	{"GRO", unix.ETHTOOL_GGRO, unix.ETHTOOL_SGRO},
	{"scatter-gather", unix.ETHTOOL_GSG, unix.ETHTOOL_SSG},
	{"TX checksum", unix.ETHTOOL_GTXCSUM, unix.ETHTOOL_STXCSUM},
}

// ethtoolValue is struct ethtool_value (linux/ethtool.h).
type ethtoolValue struct{ command, data uint32 }

// ethtoolRequest is struct ifreq (linux/if.h) with a pointer as its union.
type ethtoolRequest struct {
	name  [unix.IFNAMSIZ]byte
	value *ethtoolValue
	_     [16]byte
}

// disable switches off those offloads of a device in the current namespace that are not wanted.
func (o Offloads) disable(device string) error {
	switch o {
	case AllOffloads:
		return nil
	case ChecksumOffloads:
		return disableOffloads(device, offloads[:len(offloads)-1])
	}
	return disableOffloads(device, offloads)
}

func disableOffloads(device string, unwanted []offload) error {
	for _, o := range unwanted {
		if _, err := ethtool(device, ethtoolValue{command: o.set}); err != nil {
			return fmt.Errorf("switching %s off on %s: %w", o.name, device, err)
		}
	}
	// Some drivers accept the command and leave the feature on.
	on, err := activeOffloads(device, unwanted)
	if err == nil && len(on) > 0 {
		err = fmt.Errorf("switching offloads off on %s: %s stayed on", device, strings.Join(on, ", "))
	}
	return err
}

// activeOffloads returns which offloads of a device in the current namespace are on.
func activeOffloads(device string, among []offload) ([]string, error) {
	var on []string
	for _, o := range among {
		value, err := ethtool(device, ethtoolValue{command: o.get})
		if err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", o.name, device, err)
		}
		if value.data != 0 {
			on = append(on, o.name)
		}
	}
	return on, nil
}

func ethtool(device string, value ethtoolValue) (ethtoolValue, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return value, err
	}
	defer unix.Close(socket)
	request := &ethtoolRequest{value: &value}
	copy(request.name[:unix.IFNAMSIZ-1], device)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(socket), unix.SIOCETHTOOL,
		uintptr(unsafe.Pointer(request)))
	runtime.KeepAlive(request)
	if errno != 0 {
		return value, errno
	}
	return value, nil
}
