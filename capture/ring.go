package capture

import (
	"slices"
	"sync/atomic"
)

// Stage is where on its way a packet is recorded.
type Stage uint8

const (
	Rx   Stage = iota // as it came
	Tx                // as it left
	Drop              // as it was when it was dropped
	NumStages
)

var stages = [NumStages]string{Rx: "rx", Tx: "tx", Drop: "drop"}

func (s Stage) String() string { return stages[s] }

// StageNames are the stages' names.
func StageNames() []string { return slices.Clone(stages[:]) }

// ParseStage returns the stage with a name.
func ParseStage(name string) (Stage, bool) {
	for s, n := range stages {
		if n == name {
			return Stage(s), true
		}
	}
	return 0, false
}

// Record is a packet as it was recorded.
type Record struct {
	Time   int64 // ns since 1970
	Stage  Stage
	Reason uint8 // Drop: the caller's number for why
	Port   uint16
	Worker uint16
	Length int    // of the packet; Data may be less
	Data   []byte // valid as long as Take says
}

// Ring carries records from a worker to a reader.
type Ring struct {
	snap  int
	slots []Record // each with its place in data
	data  []byte

	_      [64]byte
	tail   atomic.Uint64 // records written
	missed atomic.Uint64
	_      [64]byte
	head   atomic.Uint64 // records read
}

// NewRing makes a ring of n records, a power of two, of up to snap bytes each.
func NewRing(n, snap int) *Ring {
	return &Ring{snap: snap, slots: make([]Record, n), data: make([]byte, n*snap)}
}

// Put copies a packet into the ring. A full ring misses it. r.Data is the packet; r.Length is set from it.
func (g *Ring) Put(r Record) {
	tail := g.tail.Load()
	if tail-g.head.Load() == uint64(len(g.slots)) {
		g.missed.Add(1)
		return
	}
	i := int(tail & uint64(len(g.slots)-1))
	place := g.data[i*g.snap : (i+1)*g.snap]
	r.Length = len(r.Data)
	r.Data = place[:copy(place, r.Data)]
	g.slots[i] = r
	g.tail.Store(tail + 1)
}

// Take gives the next record to f and reports whether there was one. The record is valid during f.
func (g *Ring) Take(f func(*Record)) bool {
	head := g.head.Load()
	if head == g.tail.Load() {
		return false
	}
	f(&g.slots[head&uint64(len(g.slots)-1)])
	g.head.Store(head + 1)
	return true
}

// Missed counts the packets for which there was no room.
func (g *Ring) Missed() uint64 { return g.missed.Load() }
