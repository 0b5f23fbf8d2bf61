package dpdk

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// capability is a right of a process (capabilities(7)).
type capability struct {
	number int
	name   string
}

var (
	netAdmin = capability{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}
	netRaw   = capability{unix.CAP_NET_RAW, "CAP_NET_RAW"}
	bpf      = capability{unix.CAP_BPF, "CAP_BPF"}
)

// driverNeeds are the capabilities that drivers of kernel interfaces need, by the beginning of the
// device's name: raw sockets (packet(7)), flags and MTU of an interface (netdevice(7)), a device of
// its own (/dev/net/tun), an XDP program.
var driverNeeds = []struct {
	driver string
	needs  []capability
}{
	{"net_af_packet", []capability{netRaw, netAdmin}},
	{"net_af_xdp", []capability{netRaw, netAdmin, bpf}},
	{"net_tap", []capability{netAdmin}},
}

// requireRights returns an error that names the capabilities that this process lacks for its
// devices. DPDK itself fails late, and differently with each driver. PCI devices belong to whoever
// may open their file in /dev/vfio.
func requireRights(devices []string, has func(capability) bool) error {
	var missing []string
	for _, text := range devices {
		for _, n := range driverNeeds {
			if !strings.HasPrefix(parseDevice(text).name, n.driver) {
				continue
			}
			for _, c := range n.needs {
				if !has(c) && !slices.Contains(missing, c.name) {
					missing = append(missing, c.name)
				}
			}
		}
	}
	if missing == nil {
		return nil
	}
	return &Error{
		Doing: fmt.Sprintf("starting DPDK without %s", strings.Join(missing, " and ")),
		Err:   os.ErrPermission,
		Try:   "run it as root, or give it these capabilities (AmbientCapabilities= of the unit)",
	}
}

// effective returns a function that tells which capabilities this process has in effect.
func effective() (func(capability) bool, error) {
	var data [2]unix.CapUserData // 64 bits
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &data[0]); err != nil {
		return nil, fmt.Errorf("reading the capabilities of this process: %w", err)
	}
	return func(c capability) bool {
		return data[c.number/32].Effective&(1<<(c.number%32)) != 0
	}, nil
}
