package ports_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/ports"
	"fulcrum/ports/memory"
)

// macs are the addresses of all test frames, to 02:00:00:00:00:01 from 02:00:00:00:00:02.
var macs = []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}

// tagged returns a frame with the given tags, the outer one first. Each is an EtherType above its
// tag control information.
func tagged(payload string, tags ...uint32) []byte {
	f := bytes.Clone(macs)
	for _, t := range tags {
		f = append(f, byte(t>>24), byte(t>>16), byte(t>>8), byte(t))
	}
	f = append(f, 0x08, 0x00)
	f = append(f, payload...)
	return append(f, make([]byte, 46)...)
}

// three are logical ports, the untagged one in the middle.
var three = []ports.Logical{
	{Name: "five", VLAN: 5, Index: 7},
	{Name: "plain", Index: 3, MTU: 1400},
	{Name: "six", VLAN: 6, Index: 9, MTU: 9000},
}

type split struct {
	t      *testing.T
	pool   *memory.Pool
	device *memory.Port
	ports  []ports.Port
}

// newSplit splits a memory port. All buffers must be back at the end of the test.
func newSplit(t *testing.T, device memory.Config, workers int, logical ...ports.Logical) *split {
	t.Helper()
	pool, err := memory.NewPool(1024)
	if err != nil {
		t.Fatal(err)
	}
	device.Pool = pool
	s := &split{t: t, pool: pool, device: memory.NewPort(device)}
	if s.ports, err = ports.Split(s.device, logical, workers); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func (s *split) close() {
	for _, p := range s.ports {
		if err := p.Close(); err != nil {
			s.t.Error(err)
		}
	}
	if left := s.pool.InUse(); left != 0 {
		s.t.Errorf("%d buffers leaked", left)
	}
	if err := s.pool.Close(); err != nil {
		s.t.Error(err)
	}
}

// receive returns the packets that wait for a logical port.
func (s *split) receive(port, queue int) *ports.Burst {
	rx := new(ports.Burst)
	s.ports[port].Queue(queue).Exchange(nil, nil, rx)
	return rx
}

func (s *split) free(b *ports.Burst) { s.ports[0].Queue(0).Exchange(nil, b, nil) }

func TestSplitSorts(t *testing.T) {
	const c, provider = 0x8100_0000, 0x88a8_0000
	for _, test := range []struct {
		name  string
		frame []byte
		port  int // index in three
		want  []byte
		flags ports.RxFlags
	}{
		{"untagged", tagged("a"), 1, tagged("a"), 0},
		{"tagged", tagged("a", c|5), 0, tagged("a"), 0},
		{"another tag", tagged("a", c|6), 2, tagged("a"), 0},
		{"priority and drop eligible", tagged("a", c|0xf006), 2, tagged("a"), 0},
		{"priority only", tagged("a", c|0xe000), 1, tagged("a"), 0},
		{"VLAN without a port", tagged("a", c|7), 1, tagged("a", c|7), 0},
		{"VLAN 4095", tagged("a", c|4095), 1, tagged("a", c|4095), 0},
		{"two tags", tagged("a", c|5, c|6), 0, tagged("a", c|6), 0},
		{"a provider's tag inside", tagged("a", c|5, provider|6), 0, tagged("a", provider|6), 0},
		{"a provider's tag outside", tagged("a", provider|5, c|6), 1, tagged("a", provider|5, c|6), 0},
		{"priority outside", tagged("a", c, c|6), 1, tagged("a", c|6), 0},
		{"cut off in the tag", tagged("a", c|5)[:16], 1, tagged("a", c|5)[:16], 0},
		{"cut off behind the tag", tagged("a", c|5)[:18], 0, tagged("a")[:14], 0},
		{"cut off before the type", tagged("a")[:13], 1, tagged("a")[:13], 0},
		{"empty", nil, 1, nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSplit(t, memory.Config{}, 1, three...)
			s.device.Deliver(0, test.frame)
			s.expect(test.port, test.want, test.flags)
		})
	}
}

// expect polls all logical ports. The given port must have one packet and the others none.
func (s *split) expect(port int, want []byte, flags ports.RxFlags) {
	s.t.Helper()
	for number, p := range s.ports {
		rx := s.receive(number, 0)
		if number != port && rx.N > 0 || number == port && rx.N != 1 {
			s.t.Fatalf("port %q has %d packets", p.Name(), rx.N)
		}
		for i := range rx.Slice() {
			got := &rx.Packets[i]
			if !bytes.Equal(got.Bytes(), want) || got.RxFlags != flags {
				s.t.Errorf("got %x with flags %b; want %x with %b", got.Bytes(), got.RxFlags, want, flags)
			}
		}
		s.free(rx)
	}
}

// TestSplitSortsByWhatTheDriverRemoved checks that a tag in RxFlags counts as the outer one.
func TestSplitSortsByWhatTheDriverRemoved(t *testing.T) {
	for _, test := range []struct {
		name  string
		tci   uint16
		frame []byte
		port  int
		flags ports.RxFlags
	}{
		{"ours", 0x2005, tagged("a"), 0, 0},
		{"priority only", 0xe000, tagged("a"), 1, 0},
		{"without a port", 7, tagged("a"), 1, ports.RxVLAN},
		{"with one more in the frame", 6, tagged("a", 0x8100_0005), 2, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSplit(t, memory.Config{}, 1, three...)
			var b ports.Burst
			s.ports[0].Queue(0).Alloc(&b, len(test.frame))
			p := b.Packets[0]
			copy(p.Bytes(), test.frame)
			p.RxFlags, p.VLAN = ports.RxVLAN, test.tci
			s.device.DeliverPacket(0, p)
			s.expect(test.port, test.frame, test.flags)
		})
	}
}

// TestSplitWithoutUntaggedPort checks that untagged packets are marked, so that they do not look
// like those of the first port.
func TestSplitWithoutUntaggedPort(t *testing.T) {
	for name, frame := range map[string][]byte{"untagged": tagged("a"), "priority only": tagged("a", 0x8100_e000)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSplit(t, memory.Config{}, 1, three[2], three[0])
			s.device.Deliver(0, frame)
			s.expect(0, tagged("a"), ports.RxVLAN)
			s.device.Deliver(0, tagged("a", 0x8100_0007))
			s.expect(0, tagged("a", 0x8100_0007), 0)
		})
	}
}

// TestSplitTags checks that sent frames have the tag of their port and that untaken ones come back
// without it.
func TestSplitTags(t *testing.T) {
	s := newSplit(t, memory.Config{TxLimit: 2}, 1, three...)
	for number, tags := range [][]uint32{{0x8100_0005}, nil, {0x8100_0006}} {
		q := s.ports[number].Queue(0)
		var tx ports.Burst
		for i := range 3 {
			f := tagged(fmt.Sprint(i))
			q.Alloc(&tx, len(f))
			copy(tx.Packets[i].Bytes(), f)
			if tx.Packets[i].Port != uint16(three[number].Index) {
				t.Errorf("a new packet is of port %d", tx.Packets[i].Port)
			}
		}
		q.Exchange(&tx, nil, nil)
		if tx.N != 1 || !bytes.Equal(tx.Packets[0].Bytes(), tagged("2")) {
			t.Fatalf("%d packets left, the first %x", tx.N, tx.Packets[0].Bytes())
		}
		q.Exchange(&tx, nil, nil)
		for i, got := range s.device.Collect(0) {
			if want := tagged(fmt.Sprint(i), tags...); !bytes.Equal(got, want) {
				t.Errorf("sent %x; want %x", got, want)
			}
		}
		stats, err := s.ports[number].Stats()
		want := uint64(3 * len(tagged("0")))
		if err != nil || stats.TxPackets != 3 || stats.TxBytes != want {
			t.Errorf("counted %+v, %v; want 3 packets of %d bytes together", stats, err, want)
		}
	}
}

// TestSplitWithoutHeadroom checks that a frame without headroom for its tag is counted as an error
// and not sent.
func TestSplitWithoutHeadroom(t *testing.T) {
	s := newSplit(t, memory.Config{}, 1, three...)
	q := s.ports[0].Queue(0)
	var tx ports.Burst
	for range 3 {
		q.Alloc(&tx, 60)
	}
	tx.Packets[0].Prepend(ports.Headroom - 3)
	tx.Packets[2].Length = 13
	q.Exchange(&tx, nil, nil)
	if sent := s.device.Collect(0); tx.N != 0 || len(sent) != 1 {
		t.Errorf("%d packets left, %d sent", tx.N, len(sent))
	}
	stats, _ := s.ports[0].Stats()
	if stats.TxErrors != 2 || stats.TxPackets != 1 || stats.TxBytes != 60 {
		t.Errorf("counted %+v", stats)
	}
}

// TestSplitWaits checks that the device is not polled while a port has waiting packets, and that
// none is lost.
func TestSplitWaits(t *testing.T) {
	s := newSplit(t, memory.Config{}, 1, three...)
	for range ports.MaxBurst {
		s.device.Deliver(0, tagged("a", 0x8100_0006))
	}
	s.device.Deliver(0, tagged("b", 0x8100_0005))
	for range 2 {
		if rx := s.receive(0, 0); rx.N != 0 || s.device.Pending() != 1 {
			t.Fatalf("%d packets, %d wait in the device", rx.N, s.device.Pending())
		}
	}
	six := s.receive(2, 0)
	five := s.receive(0, 0)
	if six.N != ports.MaxBurst || five.N != 1 {
		t.Errorf("%d and %d packets", six.N, five.N)
	}
	if p := &six.Packets[0]; p.Port != 9 {
		t.Errorf("the packet is of port %d", p.Port)
	}
	stats, _ := s.ports[2].Stats()
	if stats.RxPackets != ports.MaxBurst || stats.RxBytes != uint64(ports.MaxBurst*len(tagged("a"))) {
		t.Errorf("counted %+v", stats)
	}
	s.free(six)
	s.free(five)
}

// TestSplitAttributes checks which attributes are the device's and which the port's own.
func TestSplitAttributes(t *testing.T) {
	s := newSplit(t, memory.Config{MAC: [6]byte{2, 4}, Queues: 2}, 2, three...)
	for number, p := range s.ports {
		if p.Name() != three[number].Name || p.Device() != "memory" || p.MAC() != [6]byte{2, 4} ||
			p.Queues() != 2 || !p.Link().Up || p.RSS() != nil {
			t.Errorf("port %d: %q on %q, %x, %d queues, %+v",
				number, p.Name(), p.Device(), p.MAC(), p.Queues(), p.Link())
		}
		if xstats, err := p.XStats(); xstats != nil || err != nil || p.Notes() != nil {
			t.Errorf("port %d: %v, %v, %v", number, xstats, err, p.Notes())
		}
		if want := []int{1500, 1400, 1500}[number]; p.MTU() != want {
			t.Errorf("port %d: MTU %d; want %d", number, p.MTU(), want)
		}
	}
}

// TestSplitClose checks that a port frees its waiting packets and that the last port closes the
// device.
func TestSplitClose(t *testing.T) {
	s := newSplit(t, memory.Config{}, 1, three...)
	s.device.Deliver(0, tagged("a", 0x8100_0006))
	s.receive(0, 0)
	s.device.Deliver(0, tagged("a"))
	for range 2 {
		for _, p := range s.ports[:2] {
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if s.pool.InUse() != 2 || s.device.Pending() != 1 {
		t.Errorf("%d buffers in use, %d packets in the device", s.pool.InUse(), s.device.Pending())
	}
}

func TestSplitRefuses(t *testing.T) {
	device := memory.NewPort(memory.Config{})
	for name, logical := range map[string][]ports.Logical{
		"nothing":        nil,
		"one VLAN":       {{VLAN: 5}, {VLAN: 6}, {VLAN: 5}},
		"two untagged":   {{}, {}},
		"a high VLAN":    {{VLAN: 4095}},
		"a negative one": {{VLAN: -1}},
	} {
		if _, err := ports.Split(device, logical, 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSplitBursts(t *testing.T) {
	s := newSplit(t, memory.Config{}, 1, three...)
	source, ok := s.ports[2].Queue(0).(ports.Source)
	if !ok {
		t.Fatal("the device's queue is a source of packets, the logical port's is not")
	}
	var b ports.Burst
	if !source.AllocBurst(&b, 3, 60) || b.N != 3 || b.Packets[2].Port != 9 {
		t.Errorf("%d packets, the last of port %d", b.N, b.Packets[2].Port)
	}
	if source.AllocBurst(&b, ports.MaxBurst, 60) {
		t.Error("more packets than a burst holds")
	}
	s.free(&b)
}

// TestSplitShared lets two workers send through one queue of all logical ports while one of them
// receives, under the race detector.
func TestSplitShared(t *testing.T) {
	const turns = 100
	s := newSplit(t, memory.Config{}, 2, three...)
	shared := make([]*ports.Shared, len(three))
	for i, p := range s.ports {
		shared[i] = ports.NewShared(p.Queue(0))
	}
	var workers sync.WaitGroup
	for worker := range 2 {
		workers.Go(func() {
			for range turns {
				turn(t, shared, worker == 0)
			}
		})
	}
	workers.Wait()
	if n := len(s.device.Collect(0)); n != 2*turns*len(three) {
		t.Errorf("%d packets sent; want %d", n, 2*turns*len(three))
	}
}

// turn sends a packet through each queue and receives if it may.
func turn(t *testing.T, queues []*ports.Shared, receives bool) {
	for _, q := range queues {
		var tx, free, rx ports.Burst
		if !q.Alloc(&tx, 60) || !q.Alloc(&free, 60) {
			t.Error("no buffer")
		}
		if receives {
			q.Exchange(&tx, &free, &rx)
		} else {
			q.Exchange(&tx, &free, nil)
		}
		q.Exchange(nil, &rx, nil)
	}
}

// wire is a device that receives the frames that it sends.
type wire struct {
	ports.Port
	on ports.Burst
}

func (w *wire) Queues() int                  { return 1 }
func (w *wire) Queue(int) ports.Queue        { return w }
func (w *wire) Alloc(*ports.Burst, int) bool { return false }

func (w *wire) Exchange(tx, _, rx *ports.Burst) {
	if tx != nil {
		w.on, tx.N = *tx, 0
	}
	if rx != nil {
		*rx, w.on.N = w.on, 0
	}
}

// TestSplitAllocatesNothing checks that sorting and tagging do not allocate.
func TestSplitAllocatesNothing(t *testing.T) {
	source := newSplit(t, memory.Config{}, 1, three...)
	made, err := ports.Split(new(wire), three, 1)
	if err != nil {
		t.Fatal(err)
	}
	var b ports.Burst
	for range ports.MaxBurst {
		source.ports[0].Queue(0).Alloc(&b, 60)
	}
	six, first := made[2].Queue(0), made[0].Queue(0)
	n := testing.AllocsPerRun(100, func() {
		six.Exchange(&b, nil, nil)
		first.Exchange(nil, nil, &b)
		six.Exchange(nil, nil, &b)
	})
	if n != 0 || b.N != ports.MaxBurst {
		t.Errorf("%v allocations, %d packets came back", n, b.N)
	}
	source.free(&b)
}

// BenchmarkSplit measures the extra cost of a packet of a VLAN: tagging, sorting and untagging it.
func BenchmarkSplit(b *testing.B) {
	pool, err := memory.NewPool(ports.MaxBurst)
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	device := memory.NewPort(memory.Config{Pool: pool})
	defer device.Close()
	made, err := ports.Split(new(wire), three, 1)
	if err != nil {
		b.Fatal(err)
	}
	var burst ports.Burst
	for range ports.MaxBurst {
		device.Queue(0).Alloc(&burst, 60)
	}
	six, first := made[2].Queue(0), made[0].Queue(0)
	for i := 0; i < b.N; i += ports.MaxBurst {
		six.Exchange(&burst, nil, nil)
		first.Exchange(nil, nil, &burst)
		six.Exchange(nil, nil, &burst)
	}
	device.Queue(0).Exchange(nil, &burst, nil)
}

// TestSplitConserves polls the ports in random order. Every packet must reach its port in order,
// or still be in the device or the trunk.
func TestSplitConserves(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := newSplit(t, memory.Config{}, 1, three...)
		var sent, got [3][]byte
		for i := range rapid.IntRange(1, 40).Draw(r, "steps") {
			if number := rapid.IntRange(0, 2).Draw(r, "port"); rapid.Bool().Draw(r, "arrives") {
				tags := [][]uint32{{0x8100_0005}, nil, {0x8100_0006}}[number]
				s.device.Deliver(0, tagged(string(rune(i)), tags...))
				sent[number] = append(sent[number], byte(i))
			} else {
				s.collect(&got, number)
			}
		}
		for range 40 {
			for number := range three {
				s.collect(&got, number)
			}
		}
		for number := range three {
			if !bytes.Equal(sent[number], got[number]) {
				r.Fatalf("port %d received %v; sent %v", number, got[number], sent[number])
			}
		}
		if left := s.pool.InUse(); left != 0 {
			r.Fatalf("%d buffers are not accounted for", left)
		}
	})
}

// collect records the first byte behind the header of every packet that a port receives.
func (s *split) collect(got *[3][]byte, number int) {
	rx := s.receive(number, 0)
	for i := range rx.Slice() {
		got[number] = append(got[number], rx.Packets[i].Bytes()[14])
	}
	s.free(rx)
}
