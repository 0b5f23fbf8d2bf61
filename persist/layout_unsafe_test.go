package persist

// Why this is sound: the test only reads sizes.

import (
	"testing"
	"unsafe"
)

func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(record{}); n != cacheLine {
		t.Errorf("a record takes %d bytes; want a cache line", n)
	}
	for _, max := range []int{1, 1000, 100_000, 1_000_003} {
		table := newTable(t, max)
		records := 0
		for i := range table.shards {
			records += len(table.shards[i].records)
		}
		if per := len(table.memory) / max; records != max || max > 1 && per > 64+32+1 {
			t.Errorf("%d templates: %d records, %d bytes each", max, records, per)
		}
	}
}
