package neighbour

// Recheck has a neighbour asked again with one of the next ticks although it has answered not long
// ago, because what was sent there seems to be lost. One that the configuration needs is asked at
// most once a second. What is not Reachable stays as it is.
func (t *Table) Recheck(h Hop) {
	if e := &t.entries[h]; e.state == Reachable {
		e.state = Stale
	}
}
