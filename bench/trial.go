package bench

import (
	"errors"
	"fmt"
	"time"
)

// The sizes of frames, as on the wire with FCS: the least that Ethernet has, and the largest that an MTU of 1500 allows.
const (
	MinSize = 64
	MaxSize = 1518
)

// Trial says what the generator shall send.
type Trial struct {
	Kind  Kind `json:"kind"`
	Flows int  `json:"flows"` // how many distinct client addresses and ports
	Size  int  `json:"size"`  // bytes of a frame on the wire
	// Rate is how many packets clients send a second; 0 is as many as the device under test takes.
	Rate float64 `json:"rate,omitempty"`
	// Answer says that real servers answer, by way of the device under test: nat and fullnat.
	Answer bool `json:"answer,omitempty"`
	// Create has every flow's session made before. It is repeated until all the packets for it have arrived.
	Create   bool     `json:"create,omitempty"`
	Warmup   Duration `json:"warmup"`   // of sending, before anything counts
	Duration Duration `json:"duration"` // of sending, while everything counts
}

// Validate reports the first thing that is wrong.
func (t *Trial) Validate() error {
	switch {
	case t.Kind >= numKinds:
		return fmt.Errorf("trial: no kind of traffic %d", t.Kind)
	case t.Flows < 1 || t.Flows > MaxFlows:
		return fmt.Errorf("trial: %d flows; there can be 1 to %d", t.Flows, MaxFlows)
	case t.Size < MinSize || t.Size > MaxSize:
		return fmt.Errorf("trial: frames of %d bytes; they can have %d to %d", t.Size, MinSize, MaxSize)
	case t.Rate < 0:
		return fmt.Errorf("trial: %g packets a second; give a positive rate, or 0 for as many as go", t.Rate)
	case t.Duration <= 0 || t.Warmup < 0:
		return errors.New("trial: the duration must be positive, and the warm-up not negative")
	}
	return nil
}

// Result is what came of a trial. Counts are those of the measured part. Every packet sent is forwarded or lost, and
// every answer too.
type Result struct {
	Trial Trial `json:"trial"`
	// Seconds is how long was sent.
	Seconds float64 `json:"seconds"`

	Offered uint64 `json:"offered"` // packets that clients had to send at the rate, or could send without one
	Missed  uint64 `json:"missed"`  // of these, those that the generator was too late for
	Refused uint64 `json:"refused"` // of these, those that the device under test had no room for

	Sent      uint64 `json:"sent"`      // packets from clients
	Forwarded uint64 `json:"forwarded"` // of these, those that reached a real server
	Answers   uint64 `json:"answers"`   // packets from real servers
	Withheld  uint64 `json:"withheld"`  // answers that were not sent, since the device under test took too few
	Returned  uint64 `json:"returned"`  // answers that reached the client
	Foreign   uint64 `json:"foreign"`   // packets received that are not the generator's: ARP, ICMP

	// ForwardedInTime and ReturnedInTime are those that arrived before the end of sending: what rates are computed from.
	ForwardedInTime uint64 `json:"forwarded_in_time"`
	ReturnedInTime  uint64 `json:"returned_in_time"`

	// Creation is how long the making of sessions took; Uncreated is how many of its packets never arrived.
	Creation  Duration `json:"creation,omitempty"`
	Uncreated uint64   `json:"uncreated,omitempty"`

	OneWay    Latency `json:"one_way"`    // from client to real server
	RoundTrip Latency `json:"round_trip"` // from client to real server and back
}

// PacketRate returns how many packets a second the device under test forwarded, in both directions.
func (r *Result) PacketRate() float64 {
	return float64(r.ForwardedInTime+r.ReturnedInTime) / r.Seconds
}

// SessionRate returns how many sessions a second a kind with new flows made.
func (r *Result) SessionRate() float64 {
	return float64(r.ForwardedInTime) / float64(r.Trial.Kind.Steps()) / r.Seconds
}

// Lost returns how many packets the device under test lost, in both directions, those that it refused included.
func (r *Result) Lost() uint64 {
	return r.Refused + max(r.Sent, r.Forwarded) - r.Forwarded + max(r.Answers, r.Returned) - r.Returned + r.Withheld
}

// Loss is Lost as a share of all that was to be forwarded.
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

// Duration is a time.Duration that JSON has as text, such as "1.5s".
type Duration time.Duration

func (d Duration) String() string               { return time.Duration(d).String() }
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration does.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}
