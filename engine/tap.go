package engine

import (
	"time"

	"fulcrum/capture"
	"fulcrum/packet"
	"fulcrum/ports"
)

// tap copies packets of one worker for a capture. A worker without tap pays for one or two
// comparisons a burst, and for one for each dropped packet.
type tap struct {
	filter capture.Filter
	stages [capture.NumStages]bool
	ring   *capture.Ring
	worker uint16
	// sent counts, by port, the packets at the head of its output that were copied before and not
	// taken by the device.
	sent   []int
	now    int64 // ns since 1970, read once an exchange
	parsed packet.Parsed
}

// leaving copies what a port is about to send.
func (t *tap) leaving(port int, out *ports.Burst) {
	t.now = time.Now().UnixNano()
	if !t.stages[capture.Tx] {
		return
	}
	for i := min(t.sent[port], out.N); i < out.N; i++ {
		t.copy(&out.Packets[i], capture.Tx, uint16(port), Taken)
	}
}

// exchanged copies what a port has received, and notes what it has not sent.
func (t *tap) exchanged(port int, out, rx *ports.Burst) {
	t.sent[port] = out.N
	if rx == nil || !t.stages[capture.Rx] {
		return
	}
	for i := range rx.Slice() {
		t.copy(&rx.Packets[i], capture.Rx, uint16(port), Taken)
	}
}

// dropped copies a packet that is dropped.
func (t *tap) dropped(p *ports.Packet, why Verdict) {
	if t.stages[capture.Drop] {
		t.copy(p, capture.Drop, p.Port, why)
	}
}

func (t *tap) copy(p *ports.Packet, stage capture.Stage, port uint16, why Verdict) {
	if frame := p.Bytes(); t.filter.Match(frame, &t.parsed) {
		t.ring.Put(capture.Record{
			Time: t.now, Stage: stage, Reason: uint8(why),
			Port: port, Worker: t.worker, Data: frame,
		})
	}
}
