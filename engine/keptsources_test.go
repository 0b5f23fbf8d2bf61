package engine

import (
	"testing"

	"fulcrum/modes"
)

// TestSourcesAfterARestart: sessions count towards their source's limit at the next director too,
// and those that never did still do not. A limit that is lower by now ends none.
func TestSourcesAfterARestart(t *testing.T) {
	eachKept(t, func(t *testing.T, s site, m modes.Mode, workers int) {
		folder := t.TempDir()
		with := func(most int) Settings { return s.serving(perSource(s.echo(m, 2), most, 0)) }
		counted := func(b *bed, want int) {
			t.Helper()
			if n := b.engine.snap.Load().sources.sessions(); n != want {
				t.Errorf("%d sessions count, want %d", n, want)
			}
		}
		b := newBed(t, s, with(0), keptIn(folder, workers))
		b.begins(0, 4000, 2)
		b.apply(with(3))
		b.begins(0, 4100, 2)
		for range 2 {
			b = b.restart(with(3), folder, workers)
			counted(b, 2)
		}
		b.keptReport(4, nil)
		b.begins(0, 4200, 2)
		b.begins(1, 4200, 1)
		b.dropped("source_full=1")
		b = b.restart(with(2), folder, workers)
		b.keptReport(6, nil)
		counted(b, 4)
		b.begins(0, 4300, 1)
		b.begins(1, 4300, 1)
		b.dropped("source_full=2") // counters go on
		b.wait(400_000)
		b.sessions(0)
		counted(b, 0)
		b.begins(0, 4400, 3)
		b.dropped("source_full=3")
		b = b.restart(with(0), folder, workers)
		b.keptReport(2, nil)
		counted(b, 0)
	})
}

// TestSourcesWithoutAPlace: a session whose source finds no place goes on, and is not counted.
func TestSourcesWithoutAPlace(t *testing.T) {
	table := sourcesOf(1)
	for i := range sourceWays {
		if !table.resume(sourceKey{uint64(i), 1}, 0) {
			t.Fatalf("no place for source %d", i)
		}
	}
	if table.resume(sourceKey{99, 1}, 0) || table.sessions() != sourceWays {
		t.Errorf("%d sessions", table.sessions())
	}
	table.leave(sourceKey{3, 1})
	if !table.resume(sourceKey{99, 1}, 0) || !table.resume(sourceKey{4, 1}, 0) {
		t.Error("no place although one is free")
	}
}
