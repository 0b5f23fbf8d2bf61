package ports

import "sync/atomic"

// logicalPort is a Port that Split made.
type logicalPort struct {
	trunk   *trunk
	logical Logical
	queues  []*logicalQueue
	closed  bool // guarded by the trunk's mu
}

var _ Port = (*logicalPort)(nil)

func (p *logicalPort) Name() string   { return p.logical.Name }
func (p *logicalPort) Device() string { return p.trunk.device.Device() }
func (p *logicalPort) MAC() [6]byte   { return p.trunk.device.MAC() }
func (p *logicalPort) Queues() int    { return len(p.queues) }
func (p *logicalPort) RSS() *RSS      { return p.trunk.device.RSS() }
func (p *logicalPort) Link() Link     { return p.trunk.device.Link() }
func (p *logicalPort) Close() error   { return p.trunk.close(p) }
func (p *logicalPort) first() bool    { return p == p.trunk.ports[0] }

func (p *logicalPort) MTU() int {
	if p.logical.MTU == 0 {
		return p.trunk.device.MTU()
	}
	return min(p.logical.MTU, p.trunk.device.MTU())
}

// Queue returns a Source if the queue of the device is one.
func (p *logicalPort) Queue(i int) Queue {
	q := p.queues[i]
	if source, ok := q.device.(Source); ok {
		return &logicalSource{logicalQueue: q, source: source}
	}
	return q
}

// Stats counts the logical port's own packets, and their bytes without the tag. Losses and errors
// of the device belong to no logical port and appear in the first one's Stats.
func (p *logicalPort) Stats() (Stats, error) {
	s, err := p.trunk.device.Stats()
	if !p.first() {
		s = Stats{}
	}
	s.RxPackets, s.RxBytes, s.TxPackets, s.TxBytes = 0, 0, 0, 0
	for _, q := range p.queues {
		s.RxPackets += q.received.packets.Load()
		s.RxBytes += q.received.bytes.Load()
		s.TxPackets += q.sent.packets.Load()
		s.TxBytes += q.sent.bytes.Load()
		s.TxErrors += q.noHeadroom.Load()
	}
	return s, err
}

// XStats returns the device's counters for the first logical port, and nothing for the others.
func (p *logicalPort) XStats() ([]XStat, error) {
	if !p.first() {
		return nil, nil
	}
	return p.trunk.device.XStats()
}

// Notes returns the device's notes for the first logical port, and nothing for the others.
func (p *logicalPort) Notes() []string {
	if !p.first() {
		return nil
	}
	return p.trunk.device.Notes()
}

// volume counts packets and their bytes.
type volume struct{ packets, bytes atomic.Uint64 }

func (v *volume) add(packets, bytes int) {
	if packets > 0 {
		v.packets.Add(uint64(packets))
		v.bytes.Add(uint64(bytes))
	}
}
