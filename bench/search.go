package bench

// searchTries is how often a rate may fail before it counts as too high. On a busy machine, one
// interruption says little about the rate.
const searchTries = 2

// searchPrecision is the share of the rate at which the search ends.
const searchPrecision = 0.02

// tolerable is the share of packets that may be lost at a partial drop rate. The number is that of
// FD.io's CSIT project.
const tolerable = 0.005

// highestRate finds the highest rate at which the share of lost packets is at most allowed, as RFC
// 2544 (section 26.1) does: by halving, between 0 and a rate that is surely too high. loss runs a
// trial at a rate.
func highestRate(tooHigh, allowed float64, loss func(rate float64) (float64, error)) (float64, error) {
	low, high := 0.0, tooHigh
	for high-low > searchPrecision*high {
		middle := (low + high) / 2
		passed, err := passes(middle, allowed, loss)
		switch {
		case err != nil:
			return 0, err
		case passed:
			low = middle
		default:
			high = middle
		}
		if high < tooHigh/1e4 {
			return 0, nil // too low to name
		}
	}
	return low, nil
}

func passes(rate, allowed float64, loss func(float64) (float64, error)) (bool, error) {
	for range searchTries {
		share, err := loss(rate)
		if err != nil || share <= allowed {
			return err == nil, err
		}
	}
	return false, nil
}
