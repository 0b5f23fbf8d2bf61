package health

import "time"

// Rules say when a check is made, and what its results mean.
type Rules struct {
	Interval time.Duration // between the beginnings of two checks
	Timeout  time.Duration // of one check
	Jitter   float64       // part of the interval by which a check may be early or late, 0 to 0.5
	Rise     int           // good results in a row that make it up
	Fall     int           // bad results in a row that make it down
	// Down has a real server be down until its first good result. Otherwise it is up until Fall bad
	// ones.
	Down bool
	// Undamped turns off that a real server whose state changes often needs more good results.
	Undamped bool
}

// Result is what one check found out.
type Result struct {
	Began, Ended time.Time
	Good         bool
	Reason       string // why it is bad, or what was seen; at most MostReason bytes are kept
	// Weight is the weight that the check asks for, if HasWeight.
	Weight    int
	HasWeight bool
	// Unmade: this side could not make the check, so that it says nothing.
	Unmade bool
}

// Latency returns how long the check took.
func (r *Result) Latency() time.Duration { return r.Ended.Sub(r.Began) }

// MostReason bounds the reason of a result in bytes: servers may send what they like.
const MostReason = 200

// Kept is how many results of each check are remembered.
const Kept = 16
