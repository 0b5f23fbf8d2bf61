package engine

const (
	// maxTries is how many real servers a decision tries for one session.
	maxTries = 8

	// otherProbes bounds the search for a local port at each real server after the first. If all of
	// them are used up, a packet costs less than three times what one of them costs.
	otherProbes = 16
)

// chooseOther has a decision go to the next available real server that can have the session,
// because the one that the scheduler picked cannot. If none can, the session takes the local port
// of one at the first that gives way, or the decision stays as it is. The scheduler does not
// notice: its place is where the pick left it. So a question moves nothing here either.
func (w *Worker) chooseOther(a *arrival, d *decision) {
	pool, first, rival := w.poolOf(d.service.live), *d, w.rival
	i, ok := first.place, false
	for range maxTries - 1 {
		if i, ok = pool.Next(i, first.place); !ok {
			break
		}
		if d.verdict = w.choosePlace(pool, i, d); d.verdict != Taken {
			continue
		}
		if d.verdict = w.findAnswers(a, d, otherProbes); d.verdict == Taken {
			return
		}
	}
	*d = first
	d.takeFrom(&rival)
}
