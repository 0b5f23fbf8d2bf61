package ports_test

import (
	"fmt"
	"testing"

	"fulcrum/ports"
	"fulcrum/ports/memory"
)

// TestDrain: nothing is left in any queue, and the buffers are back (newPool).
func TestDrain(t *testing.T) {
	p := memory.NewPort(memory.Config{Queues: 3, Pool: newPool(t, 512)})
	for i := range 3 * ports.MaxBurst {
		p.Deliver(2*(i%2), fmt.Append(nil, i))
	}
	if n := ports.Drain(p); n != 3*ports.MaxBurst || p.Pending() != 0 {
		t.Errorf("%d packets, %d are left", n, p.Pending())
	}
	if n := ports.Drain(p); n != 0 {
		t.Errorf("%d packets of none", n)
	}
}

// TestDrainOfLogicalPorts: the first logical port receives for all, and waits for the others.
func TestDrainOfLogicalPorts(t *testing.T) {
	s := newSplit(t, memory.Config{}, 1, three...)
	for i := range 4 * ports.MaxBurst {
		s.device.Deliver(0, tagged("", 0x81000000|uint32(5+i%2)))
	}
	if n := ports.Drain(s.ports...); n != 4*ports.MaxBurst || s.pool.InUse() != 0 {
		t.Errorf("%d packets, %d are left", n, s.pool.InUse())
	}
}

// endless is a port that always has packets.
type endless struct{ ports.Port }

func (endless) Queues() int             { return 1 }
func (e endless) Queue(int) ports.Queue { return endlessQueue{} }

type endlessQueue struct{ ports.Queue }

func (endlessQueue) Exchange(_, free, rx *ports.Burst) {
	if free != nil {
		free.N = 0
	}
	if rx != nil {
		rx.N = ports.MaxBurst
	}
}

// TestDrainEnds: packets that keep coming do not hold it up.
func TestDrainEnds(t *testing.T) {
	if n := ports.Drain(endless{}); n != 32768 {
		t.Errorf("%d packets", n)
	}
}
