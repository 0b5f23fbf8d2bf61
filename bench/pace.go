package bench

import "fulcrum/ports"

// pace counts the packets that are due. Time is in nanoseconds since the start.
type pace struct {
	rate float64 // packets per nanosecond; 0 is as many as the device takes
	due  uint64  // packets that were due so far, with a rate
	// missed of these were given up because the generator itself was late.
	missed uint64
	// patient is the number of packets that may be due at once before some are given up.
	patient uint64
}

// patience is how late the generator may be, in nanoseconds. It catches up with less. A longer
// burst would test the device's buffers, not the rate.
const patience = 50_000

func newPace(rate float64) pace {
	perNano := rate / 1e9
	return pace{rate: perNano, patient: uint64(perNano*patience) + ports.MaxBurst}
}

// take returns the number of packets to send now, not more than most.
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

// miss counts packets that were taken and could not be made. Without a rate none was due.
func (p *pace) miss(n int) {
	if p.rate != 0 {
		p.missed += uint64(n)
	}
}

// giveUp counts packets that are not sent because they are too late.
func (p *pace) giveUp(n uint64) {
	p.missed += n
	p.due += n
}
