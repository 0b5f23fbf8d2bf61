package bench

import (
	"time"

	"fulcrum/lvs"
	"fulcrum/modes"
)

// Scale is the extent of a benchmark.
type Scale struct {
	Repeats  int           // runs of each figure, whose median is taken
	Duration time.Duration // of a trial
	Sessions []int         // for throughput, ascending
	Sizes    []int         // of frames, in bytes, ascending
	Modes    []modes.Mode
	Cases    []Case        // without a link
	Memory   []int         // numbers of sessions whose memory is measured
	StartUp  []int         // sizes of tables whose start is timed
	Latency  time.Duration // of a trial for latency
	Table    int           // size of the table for new sessions
	// Profile is the time of sending for a profile. It is much longer than the making of sessions,
	// which the profile includes.
	Profile time.Duration
	Huge    int // bytes of huge pages for all of this
}

const (
	thousand = 1000
	million  = 1000 * thousand
)

// The subjects of suites that measure one mode or two: the mode that costs the director least, and
// the one that costs it most.
const (
	cheapest = modes.DR
	dearest  = modes.FullNAT
)

var (
	allModes = lvs.ModesByCost()
	allSizes = []int{64, 128, 256, 512, 1024, 1518}
)

// Scales holds the scales by name: a minute, ten minutes, an hour.
var Scales = map[string]Scale{
	"quick": {
		Repeats: 1, Duration: 500 * time.Millisecond, Latency: time.Second, Profile: 4 * time.Second,
		Sessions: []int{thousand, million}, Sizes: []int{64, 1518}, Modes: allModes, Cases: AllCases(),
		Memory: []int{million}, StartUp: []int{thousand, 10 * million}, Table: 8 * million, Huge: 1 << 30,
	},
	"default": {
		Repeats: 3, Duration: 2 * time.Second, Latency: 5 * time.Second,
		Sessions: []int{thousand, 100 * thousand, million}, Sizes: allSizes, Modes: allModes, Cases: AllCases(),
		Memory: []int{million, 10 * million}, StartUp: []int{thousand, million, 10 * million},
		Table:   16 * million,
		Profile: 8 * time.Second, Huge: 2 << 30,
	},
	"full": {
		Repeats: 5, Duration: 3 * time.Second, Latency: 20 * time.Second,
		Sessions: []int{thousand, 100 * thousand, million, 10 * million}, Sizes: allSizes, Modes: allModes, Cases: AllCases(),
		Memory:  []int{million, 10 * million, 100 * million},
		StartUp: []int{thousand, million, 10 * million, 100 * million},
		Table:   16 * million, Profile: 20 * time.Second, Huge: 4 << 30,
	},
}
