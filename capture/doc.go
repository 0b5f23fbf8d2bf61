// Package capture records packets. A filter language selects them, a ring carries them from a
// worker to a reader, and a Writer stores them as pcapng. The comment of a dropped packet holds
// the reason of the drop.
//
// Workers call Filter.Match and Ring.Put, which neither allocate nor block. A ring has one writer
// and one reader. Everything else is for one goroutine at a time.
package capture
