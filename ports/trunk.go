package ports

import "sync"

// trunk is a device that several logical ports share.
type trunk struct {
	device   Port
	ports    []*logicalPort
	byVLAN   [vlanID + 1]uint16 // number of the logical port, plus 1; 0 without one
	fallback uint16             // number of the logical port for all other packets

	mu   sync.Mutex
	open int // number of logical ports that are not closed
}

func newTrunk(device Port, all []Logical) *trunk {
	t := &trunk{device: device, open: len(all)}
	for i, l := range all {
		t.ports = append(t.ports, &logicalPort{trunk: t, logical: l})
		t.byVLAN[l.VLAN] = uint16(i + 1)
	}
	if untagged := t.byVLAN[0]; untagged != 0 {
		t.fallback = untagged - 1
	}
	return t
}

// addQueue adds a queue of the device, and one on top of it for each logical port.
func (t *trunk) addQueue(device Queue) {
	shared := &trunkQueue{trunk: t, device: device}
	for i, p := range t.ports {
		q := &logicalQueue{trunkQueue: shared, logical: &p.logical, first: i == 0}
		shared.queues = append(shared.queues, q)
		p.queues = append(p.queues, q)
	}
}

// sort returns the number of a packet's logical port and removes the tag that selected it.
func (t *trunk) sort(p *Packet) uint16 {
	vlan, ok := p.vlan()
	if !ok {
		return t.fallback
	}
	if number := t.byVLAN[vlan]; number != 0 {
		p.untag()
		return number - 1
	}
	if vlan == 0 {
		p.untag()
		p.RxFlags, p.VLAN = p.RxFlags|RxVLAN, 0
	}
	return t.fallback
}

// close frees the packets that wait for a logical port. Closing the last port closes the device.
func (t *trunk) close(p *logicalPort) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	for _, q := range p.queues {
		q.device.Exchange(nil, &q.waiting, nil)
	}
	if t.open--; t.open > 0 {
		return nil
	}
	return t.device.Close()
}

// trunkQueue is a queue of the device with the logical queues on top of it.
type trunkQueue struct {
	trunk   *trunk
	device  Queue
	queues  []*logicalQueue // by number
	pending int             // packets that wait in logical queues; the first queue has none
}

// distribute keeps the packets of the first logical queue in rx and moves the others to their
// queues. Those must be empty.
func (t *trunkQueue) distribute(rx *Burst) {
	received := rx.N
	rx.N = 0
	for i := range received {
		p := &rx.Packets[i]
		q := t.queues[t.trunk.sort(p)]
		p.Port = uint16(q.logical.Index)
		if q.first {
			rx.Push(p)
			continue
		}
		q.waiting.Push(p)
		t.pending++
	}
}
