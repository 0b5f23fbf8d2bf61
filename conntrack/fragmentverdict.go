package conntrack

import "fmt"

// FragmentVerdict says what to do with a fragment: forward it, hold it, or drop it for a reason.
type FragmentVerdict uint8

// The verdicts.
const (
	FragmentForwarded FragmentVerdict = iota
	FragmentHeld                      // it came before its datagram's first
	FragmentMalformed                 // it has no bytes, or a length not divisible by 8 before the end
	FragmentTooLong                   // it ends after the longest possible datagram
	FragmentDuplicate                 // all of its bytes have been seen
	FragmentOverlap                   // it or an earlier one overlaps bytes seen before
	FragmentScattered                 // its datagram has more gaps than are tracked
	FragmentQueueFull                 // too many fragments wait for their first
	FragmentTimeout                   // the first did not come in time
	FragmentEvicted                   // its datagram was evicted for another
	numFragmentVerdicts
)

var fragmentVerdicts = [numFragmentVerdicts]string{
	FragmentForwarded: "forwarded",
	FragmentHeld:      "held",
	FragmentMalformed: "malformed",
	FragmentTooLong:   "too long",
	FragmentDuplicate: "duplicate",
	FragmentOverlap:   "overlap",
	FragmentScattered: "scattered",
	FragmentQueueFull: "queue full",
	FragmentTimeout:   "timeout",
	FragmentEvicted:   "evicted",
}

// String returns the verdict's name in lower case, such as "queue full".
func (v FragmentVerdict) String() string {
	if v >= numFragmentVerdicts {
		return fmt.Sprintf("fragment verdict %d", uint8(v))
	}
	return fragmentVerdicts[v]
}
