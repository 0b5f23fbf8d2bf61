package bench

// searchTries is how often a rate may fail before it counts as too high: on a machine that does other things too,
// one interruption says little about the rate.
const searchTries = 2

// searchPrecision is the share of the rate at which the search ends.
const searchPrecision = 0.02

// tolerable is the share of packets that may be lost where a partial drop rate is sought; the number is that of FD.io's
// CSIT project.
const tolerable = 0.005

// highestRate finds the highest rate at which no larger share than that allowed is lost, as RFC 2544 (section 26.1)
// does: by halving, between nothing and a rate that surely is too high. loss does a trial at a rate.
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
			return 0, nil // no rate worth naming
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
