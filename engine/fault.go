package engine

import (
	"bytes"
	"fmt"
)

// Fault is a worker's panic. It means a broken invariant and stops the director.
type Fault struct {
	Worker int    // number of the worker
	Stage  string // stage of the pipeline
	Packet []byte // bytes of the packet in hand when the worker failed; nil if there was none
	Value  any    // the value of the panic
	Stack  []byte
}

// Error describes the fault in one line, without the stack.
func (f *Fault) Error() string {
	return fmt.Sprintf("worker %d failed in stage %s, with a packet of %d bytes: %v",
		f.Worker, f.Stage, len(f.Packet), f.Value)
}

// stage is a part of a worker's turn.
type stage uint8

const (
	stageHousekeeping stage = iota
	stageExchange
	stageParse
	stageLookup
	stageDecide
	stageHost
)

var stages = [...]string{"housekeeping", "exchange", "parse", "lookup", "decide", "host"}

// fault makes a Fault of a panic, from the worker's notes of its work.
func (w *Worker) fault(value any, stack []byte) *Fault {
	f := &Fault{Worker: w.number, Stage: stages[w.stage], Value: value, Stack: stack}
	if (w.stage == stageParse || w.stage == stageDecide) && w.at < w.rx.N {
		f.Packet = bytes.Clone(w.rx.Packets[w.at].Bytes())
	}
	return f
}
