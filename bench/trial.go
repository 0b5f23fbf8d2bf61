package bench

import (
	"errors"
	"fmt"
	"time"
)

// The sizes of frames, as on the wire with FCS: Ethernet's smallest, and the largest that an MTU of
// 1500 allows.
const (
	MinSize = 64
	MaxSize = 1518
)

// Trial describes the traffic that the generator sends.
type Trial struct {
	Kind  Kind `json:"kind"`  // of the packets
	Flows int  `json:"flows"` // distinct client addresses and ports
	Size  int  `json:"size"`  // bytes of a frame on the wire
	// Rate is the number of packets that clients send a second. 0 is as many as the device under test
	// takes.
	Rate float64 `json:"rate,omitempty"`
	// Answer lets real servers answer, through the device under test: nat and fullnat.
	Answer bool `json:"answer,omitempty"`
	// Create makes every flow's session first. It is repeated until all its packets have arrived.
	Create   bool     `json:"create,omitempty"`
	Warmup   Duration `json:"warmup"`   // of sending, before anything counts
	Duration Duration `json:"duration"` // of sending, while everything counts
}

// Validate returns the first error.
func (t *Trial) Validate() error {
	switch {
	case t.Kind >= numKinds:
		return fmt.Errorf("trial: unknown kind of traffic %d", t.Kind)
	case t.Flows < 1 || t.Flows > MaxFlows:
		return fmt.Errorf("trial: invalid number of flows %d: give 1 to %d", t.Flows, MaxFlows)
	case t.Size < MinSize || t.Size > MaxSize:
		return fmt.Errorf("trial: invalid frame size %d: give %d to %d bytes", t.Size, MinSize, MaxSize)
	case t.Rate < 0:
		return fmt.Errorf("trial: invalid rate %g: give packets a second, or 0 for as many as the device under test takes", t.Rate)
	case t.Duration <= 0 || t.Warmup < 0:
		return errors.New("trial: invalid times: the duration must be positive, and the warm-up not negative")
	}
	return nil
}

// Result is the result of a trial. Counts are those of the measured part. Every packet and every
// answer sent is either forwarded or lost.
type Result struct {
	Trial Trial `json:"trial"`
	// Seconds is the time of sending.
	Seconds float64 `json:"seconds"`

	// Offered is the number of packets that clients had to send at the rate, or could send without
	// one. Missed of these were not sent because the generator was late, and Refused because the
	// device under test did not take them.
	Offered uint64 `json:"offered"`
	Missed  uint64 `json:"missed"`
	Refused uint64 `json:"refused"`

	Sent      uint64 `json:"sent"`      // packets from clients
	Forwarded uint64 `json:"forwarded"` // of these, those that reached a real server
	Answers   uint64 `json:"answers"`   // packets from real servers
	// Withheld answers were not sent, because the device under test took too few.
	Withheld uint64 `json:"withheld"`
	Returned uint64 `json:"returned"` // answers that reached the client
	Foreign  uint64 `json:"foreign"`  // received packets of others: ARP, ICMP

	// ForwardedInTime and ReturnedInTime are those that arrived before the end of sending. Rates are
	// computed from them.
	ForwardedInTime uint64 `json:"forwarded_in_time"`
	ReturnedInTime  uint64 `json:"returned_in_time"`

	// Creation is the time that the making of sessions took. Uncreated is how many of its packets
	// never arrived.
	Creation  Duration `json:"creation,omitempty"`
	Uncreated uint64   `json:"uncreated,omitempty"`

	OneWay    Latency `json:"one_way"`    // from client to real server
	RoundTrip Latency `json:"round_trip"` // from client to real server and back
}

// PacketRate returns how many packets a second the device under test forwarded, in both directions.
func (r *Result) PacketRate() float64 {
	return float64(r.ForwardedInTime+r.ReturnedInTime) / r.Seconds
}

// SessionRate returns how many sessions a second began, for a kind with new flows.
func (r *Result) SessionRate() float64 {
	return float64(r.ForwardedInTime) / float64(r.Trial.Kind.Steps()) / r.Seconds
}

// Lost returns how many packets the device under test lost, in both directions. It includes those
// that the device refused.
func (r *Result) Lost() uint64 {
	in := max(r.Sent, r.Forwarded) - r.Forwarded
	out := max(r.Answers, r.Returned) - r.Returned
	return r.Refused + in + out + r.Withheld
}

// Loss returns Lost as a share of all packets that were to be forwarded.
func (r *Result) Loss() float64 {
	all := r.Sent + r.Refused + r.Answers + r.Withheld
	if all == 0 {
		return 0
	}
	return float64(r.Lost()) / float64(all)
}

// Latency returns the latency of the longest way that packets took.
func (r *Result) Latency() Latency {
	if r.Trial.Answer {
		return r.RoundTrip
	}
	return r.OneWay
}

// Duration is a time.Duration that is text in JSON, such as "1.5s".
type Duration time.Duration

// String returns the duration as time.Duration does.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText returns the same text as String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a duration as time.ParseDuration does.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}
