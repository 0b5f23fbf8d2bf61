package memory

import (
	"sync"
	"testing"

	"fulcrum/ports"
)

func TestReceiveInOrder(t *testing.T) {
	p := newPort(t, Config{Index: 3, Queues: 2})
	deliver(t, p, 1, 70)
	var rx, free ports.Burst
	p.Queue(0).Exchange(nil, nil, &rx)
	if rx.N != 0 {
		t.Fatalf("%d packets on the other queue", rx.N)
	}
	p.Queue(1).Exchange(nil, nil, &rx)
	if rx.N != ports.MaxBurst || p.Pending() != 70-ports.MaxBurst {
		t.Fatalf("%d received, %d pending", rx.N, p.Pending())
	}
	first := rx.Packets[0]
	if string(first.Bytes()) != "0" || first.Port != 3 || first.Queue != 1 ||
		first.Offset != ports.Headroom {
		t.Errorf("first packet %+v, %q", first, first.Bytes())
	}
	free = rx
	p.Queue(1).Exchange(nil, &free, &rx)
	if rx.N != 6 || string(rx.Packets[5].Bytes()) != "69" || free.N != 0 {
		t.Errorf("%d received, %d left to free", rx.N, free.N)
	}
	p.Queue(1).Exchange(nil, &rx, nil)
}

func TestTransmitKeepsOrder(t *testing.T) {
	p := newPort(t, Config{})
	deliver(t, p, 0, 3)
	var burst ports.Burst
	p.Queue(0).Exchange(nil, nil, &burst)
	p.Queue(0).Exchange(&burst, nil, nil)
	if burst.N != 0 {
		t.Errorf("%d packets not taken", burst.N)
	}
	wantFrames(t, p.Collect(0), "0", "1", "2")
	wantFrames(t, p.Collect(0))
	s, err := p.Stats()
	if err != nil || s.RxPackets != 3 || s.TxPackets != 3 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestTxLimit checks that packets beyond the limit stay at the front of the burst, in order.
func TestTxLimit(t *testing.T) {
	p := newPort(t, Config{TxLimit: 2})
	deliver(t, p, 0, 5)
	var burst ports.Burst
	p.Queue(0).Exchange(nil, nil, &burst)
	for _, left := range []int{3, 1, 0, 0} {
		p.Queue(0).Exchange(&burst, nil, nil)
		if burst.N != left {
			t.Fatalf("%d packets left; want %d", burst.N, left)
		}
		if left == 3 && string(burst.Packets[0].Bytes()) != "2" {
			t.Errorf("%q is at the front; want 2", burst.Packets[0].Bytes())
		}
	}
	wantFrames(t, p.Collect(0), "0", "1", "2", "3", "4")
}

// TestExchangeDoesAllThree checks that one call sends, frees and receives, and that each burst may
// be nil.
func TestExchangeDoesAllThree(t *testing.T) {
	p := newPort(t, Config{})
	deliver(t, p, 0, 2)
	var tx, free, rx ports.Burst
	p.Queue(0).Exchange(&tx, &free, &rx)
	tx.Push(&rx.Packets[0])
	free.Push(&rx.Packets[1])
	deliver(t, p, 0, 1)
	p.Queue(0).Exchange(&tx, &free, &rx)
	if tx.N != 0 || free.N != 0 || rx.N != 1 {
		t.Errorf("tx %d, free %d, rx %d", tx.N, free.N, rx.N)
	}
	wantFrames(t, p.Collect(0), "0")
	p.Queue(0).Exchange(nil, &rx, nil)
	p.Queue(0).Exchange(nil, nil, nil)
}

// TestPacketsOfOtherPorts checks that a worker may send and free packets of any port.
func TestPacketsOfOtherPorts(t *testing.T) {
	a, b := newPort(t, Config{Index: 0}), newPort(t, Config{Index: 1})
	deliver(t, a, 0, 2)
	var rx, tx ports.Burst
	a.Queue(0).Exchange(nil, nil, &rx)
	tx.Push(&rx.Packets[0])
	rx.Consume(1)
	b.Queue(0).Exchange(&tx, &rx, nil)
	wantFrames(t, b.Collect(0), "0")
	if n := a.cfg.Pool.InUse(); n != 0 {
		t.Errorf("%d buffers still out", n)
	}
}

func TestAlloc(t *testing.T) {
	pool := newPool(t, ports.MaxBurst+1)
	p := newPort(t, Config{Index: 2, Pool: pool})
	q := p.Queue(0)
	var b ports.Burst
	if q.Alloc(&b, BufferSize) || b.N != 0 || pool.InUse() != 0 {
		t.Errorf("%d packets for what does not fit, %d in use", b.N, pool.InUse())
	}
	for range ports.MaxBurst {
		if !q.Alloc(&b, 42) {
			t.Fatal("no buffer")
		}
	}
	if pkt := b.Packets[7]; pkt.Length != 42 || pkt.Offset < ports.Headroom || pkt.Port != 2 {
		t.Errorf("%+v", pkt)
	}
	if q.Alloc(&b, 42) || pool.InUse() != ports.MaxBurst {
		t.Errorf("a full burst took one more; %d in use", pool.InUse())
	}
	var last, none ports.Burst
	if !q.Alloc(&last, 42) || q.Alloc(&none, 42) || none.N != 0 {
		t.Error("the pool has one more buffer, and only one")
	}
	q.Exchange(nil, &b, nil)
	q.Exchange(nil, &last, nil)
}

func TestDeliverWithoutBuffer(t *testing.T) {
	p := newPort(t, Config{Pool: newPool(t, 1)})
	if p.Deliver(0, make([]byte, BufferSize)) {
		t.Error("a frame that does not fit was delivered")
	}
	deliver(t, p, 0, 1)
	if p.Deliver(0, []byte("x")) || p.Pending() != 1 {
		t.Errorf("delivered without a buffer; %d pending", p.Pending())
	}
}

func TestDeliverPacketKeepsFlags(t *testing.T) {
	p := newPort(t, Config{Index: 5})
	pkt, _ := p.cfg.Pool.get(60)
	pkt.RxFlags, pkt.VLAN = ports.RxVLAN|ports.RxBadL4, 7
	p.DeliverPacket(0, pkt)
	var rx ports.Burst
	p.Queue(0).Exchange(nil, nil, &rx)
	if got := rx.Packets[0]; got.RxFlags != pkt.RxFlags || got.VLAN != 7 || got.Port != 5 {
		t.Errorf("%+v", got)
	}
	p.Queue(0).Exchange(nil, &rx, nil)
}

// TestCloseFreesWhatIsOnTheWire checks both directions.
func TestCloseFreesWhatIsOnTheWire(t *testing.T) {
	pool := newPool(t, 10)
	p := NewPort(Config{Pool: pool, Queues: 2})
	deliver(t, p, 1, 4)
	var tx ports.Burst
	p.Queue(1).Exchange(nil, nil, &tx)
	p.Queue(0).Exchange(&tx, nil, nil)
	deliver(t, p, 1, 3)
	if err := p.Close(); err != nil || pool.InUse() != 0 {
		t.Errorf("%d buffers are out (%v)", pool.InUse(), err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("second time: %v", err)
	}
}

func TestAttributes(t *testing.T) {
	p := newPort(t, Config{Name: "front", MAC: [6]byte{2, 1}, Queues: 3})
	if p.Name() != "front" || p.Device() != "memory" || p.MAC() != [6]byte{2, 1} ||
		p.MTU() != 1500 || !p.Link().Up || p.Notes() != nil {
		t.Errorf("%s %s %v %d %+v", p.Name(), p.Device(), p.MAC(), p.MTU(), p.Link())
	}
	if x, err := p.XStats(); x != nil || err != nil {
		t.Errorf("extended statistics %v, %v", x, err)
	}
	if mtu := newPort(t, Config{MTU: 9000}).MTU(); mtu != 9000 {
		t.Errorf("MTU %d", mtu)
	}
}

// TestBothSidesAtOnce sends frames through a worker in another goroutine, under the race detector.
func TestBothSidesAtOnce(t *testing.T) {
	const frames = 2000
	p := newPort(t, Config{TxLimit: 7})
	var worker sync.WaitGroup
	worker.Go(func() {
		var burst ports.Burst
		for sent := 0; sent < frames; {
			if burst.N == 0 {
				p.Queue(0).Exchange(nil, nil, &burst)
			}
			before := burst.N
			p.Queue(0).Exchange(&burst, nil, nil)
			sent += before - burst.N
		}
	})
	collected := 0
	for delivered := 0; collected < frames; {
		if delivered < frames && p.Deliver(0, []byte("frame")) {
			delivered++
		}
		collected += len(p.Collect(0))
		p.Pending()
		p.cfg.Pool.InUse()
	}
	worker.Wait()
	if s, _ := p.Stats(); s.RxPackets != frames || s.TxPackets != frames {
		t.Errorf("%+v", s)
	}
}

// TestAllocBurst checks that all packets or none are allocated when the pool or the burst is too
// small.
func TestAllocBurst(t *testing.T) {
	pool, err := NewPool(50)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	q := NewPort(Config{Pool: pool}).Queue(0).(ports.Source)
	var b ports.Burst
	for _, c := range []struct {
		n     int
		ok    bool
		total int
	}{{40, true, 40}, {11, false, 40}, {25, false, 40}, {0, false, 40}, {10, true, 50}} {
		if ok := q.AllocBurst(&b, c.n, 60); ok != c.ok || b.N != c.total || pool.InUse() != c.total {
			t.Errorf("%d packets: %v, %d in the burst, %d out; want %v and %d",
				c.n, ok, b.N, pool.InUse(), c.ok, c.total)
		}
	}
	q.Exchange(nil, &b, nil)
}
