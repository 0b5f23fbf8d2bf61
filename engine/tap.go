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
	filter  capture.Filter
	program *capture.Program // nil matches all
	// pursuit and late select packets of sessions: those that this worker received, sent or dropped,
	// and those that another worker received. Both are nil if sessions do not matter.
	pursuit, late *pursuit

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
		t.copy(out.Packets[i].Bytes(), capture.Tx, uint16(port), Taken)
	}
}

// exchanged copies what a port has received, and notes what it has not sent.
func (t *tap) exchanged(port int, out, rx *ports.Burst) {
	t.sent[port] = out.N
	if rx == nil || !t.stages[capture.Rx] {
		return
	}
	for i := range rx.Slice() {
		t.copy(rx.Packets[i].Bytes(), capture.Rx, uint16(port), Taken)
	}
}

// tookOver copies what another worker has received, if only this worker's session table tells that
// it belongs to a session that is captured.
func (t *tap) tookOver(rx *ports.Burst) {
	if t.late == nil || !t.stages[capture.Rx] {
		return
	}
	t.now = time.Now().UnixNano()
	for i := range rx.Slice() {
		p := &rx.Packets[i]
		if t.late.selects(p.Bytes()) && t.matches(p.Bytes()) {
			t.put(p.Bytes(), capture.Rx, p.Port, Taken)
		}
	}
}

// dropped copies a packet that is dropped.
func (t *tap) dropped(p *ports.Packet, why Verdict) { t.refused(p.Bytes(), p.Port, why) }

// refused copies a frame that is dropped.
func (t *tap) refused(frame []byte, port uint16, why Verdict) {
	if t.stages[capture.Drop] {
		t.copy(frame, capture.Drop, port, why)
	}
}

func (t *tap) copy(frame []byte, stage capture.Stage, port uint16, why Verdict) {
	if t.matches(frame) && (t.pursuit == nil || t.pursuit.selects(frame)) {
		t.put(frame, stage, port, why)
	}
}

// matches reports whether the filter and the program select a frame.
func (t *tap) matches(frame []byte) bool {
	return t.filter.Match(frame, &t.parsed) && (t.program == nil || t.program.Match(frame))
}

func (t *tap) put(frame []byte, stage capture.Stage, port uint16, why Verdict) {
	t.ring.Put(capture.Record{
		Time: t.now, Stage: stage, Reason: uint8(why),
		Port: port, Worker: t.worker, Data: frame,
	})
}
