package bench

import "fulcrum/ports"

// pace says how many packets are due. Time is in nanoseconds since the start.
type pace struct {
	rate    float64 // packets per nanosecond; 0 is as many as go
	due     uint64  // packets that were due so far, with a rate
	missed  uint64  // of these, those that were given up because the generator itself was late
	patient uint64  // packets that may be due at once before some are given up
}

// patience is how late the generator may be. It catches up with less; a longer burst would not test the rate but the
// device's buffers.
const patience = 50_000 // ns

func newPace(rate float64) pace {
	perNano := rate / 1e9
	return pace{rate: perNano, patient: uint64(perNano*patience) + ports.MaxBurst}
}

// take returns how many packets to send now, at most most.
func (p *pace) take(now int64, most int) int {
	if p.rate == 0 {
		return most
	}
	total := uint64(p.rate * float64(now))
	if total <= p.due {
		return 0
	}
	behind := total - p.due
	if behind > p.patient {
		p.giveUp(behind - p.patient)
		behind = p.patient
	}
	n := min(int(behind), most)
	p.due += uint64(n)
	return n
}

// miss counts packets that were taken and could not be made; without a rate none was due.
func (p *pace) miss(n int) {
	if p.rate != 0 {
		p.missed += uint64(n)
	}
}

// giveUp counts packets that are not sent, because it is too late for them.
func (p *pace) giveUp(n uint64) {
	p.missed += n
	p.due += n
}
