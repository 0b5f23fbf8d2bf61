package ports

import "sync"

// trunk is a device that logical ports share.
type trunk struct {
	device   Port
	ports    []*logicalPort
	byVLAN   [vlanID + 1]uint16 // number of the logical port, plus 1; 0 for VLANs that have none
	fallback uint16             // number of the logical port that gets what belongs to none

	mu   sync.Mutex
	open int // logical ports that are not closed yet
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

// addQueue gives each logical port its queue on one of the device's.
func (t *trunk) addQueue(device Queue) {
	shared := &trunkQueue{trunk: t, device: device}
	for i, p := range t.ports {
		q := &logicalQueue{trunkQueue: shared, logical: &p.logical, first: i == 0}
		shared.queues = append(shared.queues, q)
		p.queues = append(p.queues, q)
	}
}

// sort returns the number of a packet's logical port, and removes the tag that led to it.
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

// close frees what waits for a logical port, and with the last one closes the device.
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

// trunkQueue is a queue of the device.
type trunkQueue struct {
	trunk   *trunk
	device  Queue
	queues  []*logicalQueue // by number
	pending int             // packets that logical queues have yet to hand out; the first one's never wait
}

// distribute keeps the first logical queue's packets in rx, and lets the others wait in their queues, which are empty.
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
