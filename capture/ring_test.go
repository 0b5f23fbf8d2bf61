package capture

import (
	"sync"
	"testing"
)

// TestRingKeepsOrder lets one goroutine put while another takes. Records must arrive complete and
// in order, or be counted as missed.
func TestRingKeepsOrder(t *testing.T) {
	const n = 100_000
	g := NewRing(64, 4)
	var putting sync.WaitGroup
	putting.Go(func() {
		for i := range n {
			g.Put(Record{Time: int64(i), Data: []byte{byte(i), byte(i >> 8), byte(i >> 16), 0, 9}})
		}
	})
	taken, last := uint64(0), int64(-1)
	take := func(r *Record) {
		i := int64(r.Data[0]) | int64(r.Data[1])<<8 | int64(r.Data[2])<<16
		if i != r.Time || r.Time <= last || len(r.Data) != 4 || r.Length != 5 {
			t.Fatalf("%+v after %d", r, last)
		}
		taken, last = taken+1, r.Time
	}
	for taken+g.Missed() < n {
		g.Take(take)
	}
	putting.Wait()
}

func TestStagesParseBack(t *testing.T) {
	for s := range NumStages {
		if got, ok := ParseStage(s.String()); !ok || got != s {
			t.Errorf("ParseStage(%q) = %v, %v", s, got, ok)
		}
	}
	if _, ok := ParseStage("middle"); ok {
		t.Error("there is a stage called middle")
	}
}
