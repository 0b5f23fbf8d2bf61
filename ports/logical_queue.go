package ports

import "sync/atomic"

// logicalQueue is the queue of a logical port. Different workers may receive and send on it
// (Shared), so the two sides share nothing but the device.
type logicalQueue struct {
	*trunkQueue
	logical *Logical
	first   bool
	waiting Burst // received, not yet returned by Exchange
	lost    Burst // could not be tagged, to be freed

	received   volume
	sent       volume
	noHeadroom atomic.Uint64
}

var _ Queue = (*logicalQueue)(nil)

// Exchange always crosses into the driver for the first logical port. For the others it does so
// only if there are packets to send or to free.
func (q *logicalQueue) Exchange(tx, free, rx *Burst) {
	from := q.polled(rx)
	if !isEmpty(tx) {
		q.send(tx, free, from)
	} else if from != nil || !isEmpty(free) {
		q.device.Exchange(nil, free, from)
	}
	if rx == nil {
		return
	}
	if from == nil {
		q.handOut(rx)
	} else {
		q.distribute(from)
	}
	q.received.add(rx.N, frameBytes(rx))
}

// polled returns the burst that the device shall fill. It is nil while another logical port has
// waiting packets.
func (q *logicalQueue) polled(rx *Burst) *Burst {
	if !q.first || rx == nil || q.pending > 0 {
		return nil
	}
	return rx
}

// handOut moves the waiting packets to rx.
func (q *logicalQueue) handOut(rx *Burst) {
	rx.N = copy(rx.Packets[:], q.waiting.Slice())
	q.waiting.N = 0
	q.pending -= rx.N
}

// send is Exchange for a tx that is not empty.
func (q *logicalQueue) send(tx, free, rx *Burst) {
	if q.logical.VLAN == 0 {
		packets, bytes := tx.N, frameBytes(tx)
		q.device.Exchange(tx, free, rx)
		q.sent.add(packets-tx.N, bytes-frameBytes(tx))
		return
	}
	q.tagAll(tx)
	packets, bytes := tx.N, frameBytes(tx)
	q.device.Exchange(tx, free, rx)
	packets -= tx.N
	bytes -= frameBytes(tx) + packets*tagLen
	q.sent.add(packets, bytes)
	// The worker sends untaken packets again, and they are tagged then.
	for i := range tx.Slice() {
		tx.Packets[i].pop()
	}
}

// tagAll tags all packets of a burst and frees those without headroom for the tag.
func (q *logicalQueue) tagAll(tx *Burst) {
	n := tx.N
	tx.N = 0
	for i := range n {
		p := &tx.Packets[i]
		if p.push(uint16(q.logical.VLAN)) {
			tx.Push(p)
		} else {
			q.lost.Push(p)
		}
	}
	if q.lost.N > 0 {
		q.noHeadroom.Add(uint64(q.lost.N))
		q.device.Exchange(nil, &q.lost, nil)
	}
}

func (q *logicalQueue) Alloc(b *Burst, length int) bool {
	if !q.device.Alloc(b, length) {
		return false
	}
	b.Packets[b.N-1].Port = uint16(q.logical.Index)
	return true
}

// logicalSource is a logicalQueue on a device whose queue is a Source.
type logicalSource struct {
	*logicalQueue
	source Source
}

var _ Source = (*logicalSource)(nil)

func (q *logicalSource) AllocBurst(b *Burst, n, length int) bool {
	if !q.source.AllocBurst(b, n, length) {
		return false
	}
	for i := b.N - n; i < b.N; i++ {
		b.Packets[i].Port = uint16(q.logical.Index)
	}
	return true
}

func frameBytes(b *Burst) int {
	n := 0
	for i := range b.Slice() {
		n += int(b.Packets[i].Length)
	}
	return n
}
