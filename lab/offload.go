package lab

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"fulcrum/ethtool"
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
	socket, err := ethtoolSocket()
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	for _, o := range unwanted {
		if err := ethtool.Set(socket, device, o.set, 0); err != nil {
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
	socket, err := ethtoolSocket()
	if err != nil {
		return nil, err
	}
	defer unix.Close(socket)
	var on []string
	for _, o := range among {
		value, err := ethtool.Get(socket, device, o.get)
		if err != nil {
			return nil, fmt.Errorf("reading %s of %s: %w", o.name, device, err)
		}
		if value != 0 {
			on = append(on, o.name)
		}
	}
	return on, nil
}

// ethtoolSocket returns a socket in the current namespace.
func ethtoolSocket() (int, error) {
	return unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
}
