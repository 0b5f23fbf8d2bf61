package sched

import "testing"

// FromTheFirst gives pools of all sizes a tournament until the test ends.
func FromTheFirst(t testing.TB) {
	was := treeFrom
	treeFrom = 1
	t.Cleanup(func() { treeFrom = was })
}
