package bench

import "strings"

// tally counts instructions by function. It leaves out those of the apparatus: of this package, and
// of ports with all that they call.
type tally struct {
	symbols symbols
	by      map[string]uint64
	address uint64 // of the latest instruction
	// callee is the stack pointer at the entry of a port's function, while one runs, or 0.
	callee uint64
}

// returned is what a return adds to the stack pointer.
const returned = 8

// add counts the instruction at an address, with the stack pointer before it is executed.
func (t *tally) add(address, stack uint64) {
	if address == t.address {
		return // a string instruction stops after each of its rounds, and is one
	}
	t.address = address
	if t.callee != 0 && stack != t.callee+returned {
		return // also on another stack, where the runtime allocates
	}
	t.callee = 0
	name := t.symbols.at(address)
	switch {
	case strings.HasPrefix(name, "fulcrum/ports/"):
		t.callee = stack
	case !strings.HasPrefix(name, "fulcrum/bench."):
		t.by[name]++
	}
}

// cost returns the instructions of one of so many packets.
func (t *tally) cost(packets int) Cost {
	c := Cost{Parts: map[string]float64{}}
	for name, n := range t.by {
		share := float64(n) / float64(packets)
		c.Total += share
		c.Parts[name] = share
	}
	return c
}
