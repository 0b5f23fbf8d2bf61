package capture

import (
	"slices"
	"sync/atomic"
)

// Stage is the point at which a packet is recorded.
type Stage uint8

// Stages, in the order of a packet's way.
const (
	Rx        Stage = iota // as received
	Tx                     // as sent
	Drop                   // as it was when it was dropped
	NumStages              // number of stages
)

var stages = [NumStages]string{Rx: "rx", Tx: "tx", Drop: "drop"}

// String returns "rx", "tx" or "drop".
func (s Stage) String() string { return stages[s] }

// StageNames returns the names of all stages, in the order of their values.
func StageNames() []string { return slices.Clone(stages[:]) }

// ParseStage returns the stage with the given name, and whether there is one.
func ParseStage(name string) (Stage, bool) {
	for s, n := range stages {
		if n == name {
			return Stage(s), true
		}
	}
	return 0, false
}

// Record is a recorded packet.
type Record struct {
	Time   int64  // ns since 1970
	Stage  Stage  // where the packet was recorded
	Reason uint8  // the caller's number of the drop reason; valid with Drop
	Port   uint16 // index of the port that received or sent it
	Worker uint16 // index of the worker that recorded it
	Length int    // bytes of the packet; Data may be shorter
	Data   []byte // the first bytes of the packet; see Put and Take for how long it is valid
}

// Ring carries records from one worker to one reader, which may run at the same time.
type Ring struct {
	snap  int
	slots []Record // slot i has the bytes of data from i*snap on
	data  []byte

	_      [64]byte
	tail   atomic.Uint64 // number of records written
	missed atomic.Uint64 // number of records that found the ring full
	_      [64]byte
	head   atomic.Uint64 // number of records read
}

// NewRing returns a ring for n records, each with up to snap bytes of its packet. n must be a
// power of two.
func NewRing(n, snap int) *Ring {
	return &Ring{snap: snap, slots: make([]Record, n), data: make([]byte, n*snap)}
}

// Put copies a record and the first bytes of r.Data, the whole packet, into the ring. It sets
// Length from r.Data. If the ring is full, Put drops the record and counts it as missed. Only the
// worker may call it.
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

// Take calls f with the next record and reports whether there was one. The record and its Data are
// valid during the call only. Only the reader may call Take.
func (g *Ring) Take(f func(*Record)) bool {
	head := g.head.Load()
	if head == g.tail.Load() {
		return false
	}
	f(&g.slots[head&uint64(len(g.slots)-1)])
	g.head.Store(head + 1)
	return true
}

// Missed returns the number of records that were dropped because the ring was full. Any goroutine
// may call it.
func (g *Ring) Missed() uint64 { return g.missed.Load() }
