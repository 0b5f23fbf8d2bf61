package dpdk

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"

	"fulcrum/ports"
)

func ring(t testing.TB, c PortConfig) ports.Port {
	c.Name, c.Device = "loop", "net_ring0"
	return open(t, c)
}

func TestRingReturnsWhatWasSent(t *testing.T) {
	p := ring(t, PortConfig{Index: 7, Queues: 1})
	q := p.Queue(0)
	data := bytes.Repeat([]byte("fulcrum "), 20)
	var tx ports.Burst
	for range ports.MaxBurst {
		allocate(t, q, &tx, data)
	}
	if q.Alloc(&tx, 1) {
		t.Error("a full burst took one more")
	}
	send(t, q, &tx)

	rx := receive(t, q, anyPacket)
	if rx.N != ports.MaxBurst {
		t.Errorf("received %d packets, sent %d", rx.N, ports.MaxBurst)
	}
	for i := range rx.Slice() {
		got := &rx.Packets[i]
		if !bytes.Equal(got.Bytes(), data) {
			t.Fatalf("packet %d is %q", i, got.Bytes())
		}
		if got.Offset != ports.Headroom || got.BufferLen < 2176 || got.Port != 7 ||
			got.Queue != 0 || got.RxFlags != 0 {
			t.Fatalf("packet %d is described as %+v", i, *got)
		}
	}
	q.Exchange(nil, &rx, nil)
	if rx.N != 0 {
		t.Errorf("%d packets left after freeing", rx.N)
	}
}

// Changes of offset and length in Go must reach the mbuf and come back.
func TestPrependAndTrimThroughMbufs(t *testing.T) {
	q := ring(t, PortConfig{}).Queue(0)
	var tx ports.Burst
	p := allocate(t, q, &tx, []byte("payload"))
	if !p.Prepend(40) {
		t.Fatal("no headroom for 40 bytes")
	}
	copy(p.Bytes(), bytes.Repeat([]byte("h"), 40))
	send(t, q, &tx)

	rx := receive(t, q, anyPacket)
	p = &rx.Packets[0]
	if want := string(bytes.Repeat([]byte("h"), 40)) + "payload"; string(p.Bytes()) != want {
		t.Fatalf("after prepending: %q", p.Bytes())
	}
	p.TrimFront(43)
	if !p.Resize(3) {
		t.Fatal("cannot shorten the packet")
	}
	send(t, q, &rx)

	rx = receive(t, q, anyPacket)
	p = &rx.Packets[0]
	if string(p.Bytes()) != "loa" || p.Offset != ports.Headroom+3 {
		t.Errorf("after trimming: %q at offset %d", p.Bytes(), p.Offset)
	}
	if p.Prepend(int(p.Offset) + 1) {
		t.Error("prepended more than the headroom")
	}
	if !p.Resize(int(p.BufferLen-p.Offset)) || p.Resize(int(p.BufferLen-p.Offset)+1) {
		t.Errorf("resizing does not end at the buffer length of %d", p.BufferLen)
	}
	q.Exchange(nil, &rx, nil)
}

// A ring of 1024 takes 1023 packets. The rest stays at the front of the burst, in order.
func TestUnsentPacketsStayInOrder(t *testing.T) {
	q := ring(t, PortConfig{}).Queue(0)
	var tx, rx ports.Burst
	next := uint32(0)
	for tx.N == 0 {
		for !tx.Full() {
			binary.BigEndian.PutUint32(allocate(t, q, &tx, make([]byte, 64)).Bytes(), next)
			next++
		}
		q.Exchange(&tx, nil, nil)
	}
	expected := uint32(0)
	for expected < next {
		q.Exchange(&tx, nil, &rx)
		for i := range rx.Slice() {
			if got := binary.BigEndian.Uint32(rx.Packets[i].Bytes()); got != expected {
				t.Fatalf("received number %d instead of %d", got, expected)
			}
			expected++
		}
		q.Exchange(nil, &rx, nil)
	}
}

func TestAllocLimits(t *testing.T) {
	q := ring(t, PortConfig{}).Queue(0)
	for length, want := range map[int]bool{
		-1: false, 0: true, 2048: true, 2049: false, 65535: false, 65536: false,
	} {
		var b ports.Burst
		if got := q.Alloc(&b, length); got != want {
			t.Errorf("Alloc of %d bytes: %v", length, got)
		}
		q.Exchange(nil, &b, nil)
	}
}

// An exhausted pool refuses to allocate, and is complete again when its buffers are freed.
func TestAllocFromAnEmptyPool(t *testing.T) {
	q := ring(t, PortConfig{RxDescriptors: 64, TxDescriptors: 64}).Queue(0)
	count := func() (n int) {
		var held []*ports.Burst
		for {
			b := new(ports.Burst)
			for !b.Full() && q.Alloc(b, 100) {
				n++
			}
			held = append(held, b)
			if !b.Full() {
				break
			}
		}
		for _, b := range held {
			q.Exchange(nil, b, nil)
		}
		return n
	}
	first := count()
	if second := count(); first == 0 || first != second {
		t.Errorf("%d buffers the first time, %d the second", first, second)
	}
}

func TestAllocBurst(t *testing.T) {
	q := ring(t, PortConfig{Index: 5}).Queue(0).(ports.Source)
	var b ports.Burst
	for _, c := range []struct {
		n, length int
		ok        bool
		total     int
	}{
		{60, 100, true, 60}, {5, 100, false, 60}, {-1, 100, false, 60}, {4, 2049, false, 60}, {4, 2048, true, 64}, {0, 60, false, 64},
	} {
		if ok := q.AllocBurst(&b, c.n, c.length); ok != c.ok || b.N != c.total {
			t.Errorf("%d packets of %d bytes: %v, %d in the burst; want %v, %d",
				c.n, c.length, ok, b.N, c.ok, c.total)
		}
	}
	if p := b.Packets[63]; p.Length != 2048 || p.Offset != ports.Headroom || p.Port != 5 {
		t.Errorf("the last packet is described as %+v", p)
	}
	q.Exchange(nil, &b, nil)
}

// Bursts may live on the stack: nothing that is passed to C escapes.
func TestExchangeAllocatesNothing(t *testing.T) {
	q := ring(t, PortConfig{}).Queue(0).(*queue)
	got := testing.AllocsPerRun(1000, func() {
		var tx, free, rx ports.Burst
		q.Alloc(&tx, 64)
		q.Exchange(&tx, nil, &rx)
		for i := range rx.Slice() {
			free.Push(&rx.Packets[i])
		}
		q.Exchange(nil, &free, nil)
	})
	if got != 0 {
		t.Errorf("%v allocations an exchange", got)
	}
}

func TestRegisteredThread(t *testing.T) {
	e := sharedEAL(t)
	q := ring(t, PortConfig{}).Queue(0)
	onWorker(t, e, func() {
		var tx ports.Burst
		allocate(t, q, &tx, []byte("from a worker"))
		send(t, q, &tx)
		rx := receive(t, q, anyPacket)
		q.Exchange(nil, &rx, nil)
	})
}

// onWorker runs f on a thread like those of the engine's workers.
func onWorker(t testing.TB, e *EAL, f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := e.RegisterThread(); err != nil {
		t.Fatal(err)
	}
	defer e.UnregisterThread()
	f()
}

func BenchmarkExchange(b *testing.B) {
	e := sharedEAL(b)
	null := open(b, PortConfig{Name: "null", Device: "net_null0"}).Queue(0)
	loop := ring(b, PortConfig{}).Queue(0)

	b.Run("nothing", func(b *testing.B) {
		onWorker(b, e, func() {
			for b.Loop() {
				loop.Exchange(nil, nil, nil)
			}
		})
	})
	b.Run("empty-queue", func(b *testing.B) {
		var rx ports.Burst
		onWorker(b, e, func() {
			for b.Loop() {
				loop.Exchange(nil, nil, &rx)
			}
		})
	})
	b.Run("null-receive-free-64", func(b *testing.B) {
		var rx, free ports.Burst
		onWorker(b, e, func() {
			for b.Loop() {
				null.Exchange(nil, &free, &rx)
				rx, free = free, rx
			}
			null.Exchange(nil, &free, nil)
		})
		perPacket(b)
	})
	b.Run("null-forward-64", func(b *testing.B) {
		var burst ports.Burst
		onWorker(b, e, func() {
			for b.Loop() {
				null.Exchange(&burst, nil, &burst)
			}
			null.Exchange(nil, &burst, nil)
		})
		perPacket(b)
	})
	b.Run("ring-64", func(b *testing.B) {
		var burst ports.Burst
		for !burst.Full() {
			allocate(b, loop, &burst, make([]byte, 64))
		}
		onWorker(b, e, func() {
			for b.Loop() {
				loop.Exchange(&burst, nil, &burst)
			}
		})
		loop.Exchange(nil, &burst, nil)
		perPacket(b)
	})
}

func perPacket(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/ports.MaxBurst, "ns/packet")
}
