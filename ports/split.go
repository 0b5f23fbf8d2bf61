package ports

import (
	"errors"
	"fmt"
)

// MaxVLAN is the highest number of a VLAN (IEEE 802.1Q, table 9-2).
const MaxVLAN = 4094

// Logical describes one of the logical ports that Split makes of a device: what is in a VLAN, or what is in none.
type Logical struct {
	Name  string //
	Index int    // goes into Packet.Port of what it receives
	VLAN  int    // 1 to MaxVLAN; 0 is untagged
	MTU   int    // bytes of an IP packet; 0, or more than the device has, is the device's
}

// Split makes logical ports of a device, each with as many queues as the device has. They take the device's place:
// nobody else may use it from then on, and the last one to be closed closes it. A queue that several workers share, because
// there are fewer queues than workers, is shared by those of all logical ports; each of these still needs a Shared of its own.
//
// The first logical port receives from the device, for all of them, and only when the others have been handed what was
// received for them before. So who polls one of them has to poll all, with one worker for a queue of them all.
//
// Packets of a VLAN that has no port go to the untagged port, or to the first one where there is none, and still have
// their tag: in the frame, or by RxVLAN. So do those with a provider's tag (IEEE 802.1ad) outside, and, under RxVLAN with a VLAN of 0, those without
// a tag where there is no untagged port. Of several tags the outer one is the port's and is removed, the others stay.
// A tag of VLAN 0 gives a priority only, and counts as none.
//
// Frames are sent with their port's tag, in four bytes of their headroom. One without room for it is freed and counted in Stats.TxErrors.
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
		return errors.New("split a device: give one logical port at least")
	}
	owner := map[int]string{}
	for _, l := range all {
		if l.VLAN < 0 || l.VLAN > MaxVLAN {
			return fmt.Errorf("port %q: VLAN %d: must be 0 to %d", l.Name, l.VLAN, MaxVLAN)
		}
		if other, taken := owner[l.VLAN]; taken {
			return fmt.Errorf("port %q: VLAN %d of the device is port %q's: each must have one of its own", l.Name, l.VLAN, other)
		}
		owner[l.VLAN] = l.Name
	}
	return nil
}
