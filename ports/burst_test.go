package ports

import "testing"

// burstOf returns a burst of packets with the given handles.
func burstOf(handles ...uintptr) *Burst {
	b := new(Burst)
	for _, h := range handles {
		b.Push(&Packet{Handle: h})
	}
	return b
}

func wantHandles(t *testing.T, b *Burst, want ...uintptr) {
	t.Helper()
	if b.N != len(want) || len(b.Slice()) != len(want) {
		t.Fatalf("%d packets; want %d", b.N, len(want))
	}
	for i := range want {
		if b.Packets[i].Handle != want[i] {
			t.Errorf("packet %d is %d; want %d", i, b.Packets[i].Handle, want[i])
		}
	}
}

func TestConsume(t *testing.T) {
	b := burstOf(1, 2, 3, 4, 5)
	b.Consume(0)
	wantHandles(t, b, 1, 2, 3, 4, 5)
	b.Consume(2)
	wantHandles(t, b, 3, 4, 5)
	b.Push(&Packet{Handle: 6})
	b.Consume(1)
	wantHandles(t, b, 4, 5, 6)
	b.Consume(3)
	wantHandles(t, b)
}

func TestBurstIsFull(t *testing.T) {
	b := new(Burst)
	for i := range MaxBurst {
		if b.Full() {
			t.Fatalf("full with %d packets", i)
		}
		b.Push(&Packet{Handle: uintptr(i)})
	}
	if !b.Full() {
		t.Error("not full")
	}
	b.Consume(MaxBurst - 1)
	wantHandles(t, b, MaxBurst-1)
}

func TestPushCopies(t *testing.T) {
	p := Packet{Handle: 1}
	b := new(Burst)
	b.Push(&p)
	p.Handle = 2
	wantHandles(t, b, 1)
}

func TestBurstAllocatesNothing(t *testing.T) {
	b, p := new(Burst), Packet{Handle: 1, Offset: 128, Length: 60, BufferLen: 2304}
	if n := testing.AllocsPerRun(100, func() {
		b.Push(&p)
		b.Push(&p)
		b.Packets[0].Prepend(20)
		b.Packets[0].Resize(64)
		b.Consume(2)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
