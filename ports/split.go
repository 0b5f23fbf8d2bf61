package ports

import (
	"errors"
	"fmt"
)

// MaxVLAN is the highest number of a VLAN (IEEE 802.1Q, table 9-2).
const MaxVLAN = 4094

// Logical describes one of the logical ports that Split makes of a device. It has the packets of
// one VLAN, or the untagged packets.
type Logical struct {
	Name  string // as configured
	Index int    // Packet.Port of the packets that it receives
	VLAN  int    // 1 to MaxVLAN; 0 for untagged packets
	MTU   int    // bytes of an IP packet; 0, or more than the device's MTU, is the device's MTU
}

// Split makes logical ports of a device, each with as many queues as the device. They replace the
// device: the caller must not use it any more, and closing the last logical port closes it.
//
// workers is the number of workers that will use the ports. If there are fewer queues than workers,
// Split wraps each queue of the device in a Shared. Each queue of a logical port then still needs a
// Shared of its own.
//
// The first logical port receives from the device for all of them. It does so only when the others
// have no waiting packets. The worker that polls a queue of one logical port must therefore poll
// the same queue of all.
//
// Packets of a VLAN without a port go to the untagged port, or to the first port if there is none.
// They keep their tag, in the frame or with RxVLAN. The same holds for packets with a provider's
// tag outside (IEEE 802.1ad). If there is no untagged port, untagged packets go to the first port,
// marked by RxVLAN with VLAN 0.
//
// If a packet has several tags, the outer one selects the port and is removed; the others stay. A
// tag of VLAN 0 holds a priority only, so the packet counts as untagged.
//
// Frames are sent with the tag of their port, which takes four bytes of headroom. A frame without
// that headroom is freed and counted in Stats.TxErrors.
func Split(device Port, logical []Logical, workers int) ([]Port, error) {
	if err := checkLogical(logical); err != nil {
		return nil, err
	}
	t := newTrunk(device, logical)
	for i := range device.Queues() {
		queue := device.Queue(i)
		if device.Queues() < workers {
			queue = NewShared(queue)
		}
		t.addQueue(queue)
	}
	all := make([]Port, len(t.ports))
	for i, p := range t.ports {
		all[i] = p
	}
	return all, nil
}

func checkLogical(all []Logical) error {
	if len(all) == 0 {
		return errors.New("splitting a device: give at least one logical port")
	}
	owner := map[int]string{}
	for _, l := range all {
		if l.VLAN < 0 || l.VLAN > MaxVLAN {
			return fmt.Errorf("port %q: VLAN %d: must be 0 to %d", l.Name, l.VLAN, MaxVLAN)
		}
		if other, taken := owner[l.VLAN]; taken {
			return fmt.Errorf("port %q: VLAN %d belongs to port %q: give each port a different VLAN",
				l.Name, l.VLAN, other)
		}
		owner[l.VLAN] = l.Name
	}
	return nil
}
