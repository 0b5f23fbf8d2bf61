package conntrack

import "fmt"

// FragmentVerdict says what to do with a fragment: to forward or to keep it, or why it is dropped.
type FragmentVerdict uint8

const (
	FragmentForwarded FragmentVerdict = iota
	FragmentHeld                      // it came before its datagram's first
	FragmentMalformed                 // no bytes, or not a multiple of 8 before the end
	FragmentTooLong                   // it ends after the longest datagram
	FragmentDuplicate                 // all of its bytes have been seen
	FragmentOverlap                   // some of its bytes have been seen, or such a one was of the same datagram
	FragmentScattered                 // more gaps in the datagram than are told apart
	FragmentQueueFull                 // too many wait for their first
	FragmentTimeout                   // the first did not come in time
	FragmentEvicted                   // the datagram gave way to another
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

func (v FragmentVerdict) String() string {
	if v >= numFragmentVerdicts {
		return fmt.Sprintf("fragment verdict %d", uint8(v))
	}
	return fragmentVerdicts[v]
}
