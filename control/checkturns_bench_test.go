package control

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"fulcrum/engine"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/ports/memory"
)

// wheel is a port that always has packets: datagrams of 1,000 clients to one service. What is sent
// is gone.
type wheel struct {
	*memory.Port
	queue *wheelQueue
}

// Queue returns the queue that always has packets.
func (w wheel) Queue(int) ports.Queue { return w.queue }

type wheelQueue struct {
	ports.Queue
	frame []byte
	turn  uint16
}

// Exchange drops what is sent, and receives a full burst.
func (q *wheelQueue) Exchange(tx, free, rx *ports.Burst) {
	q.Queue.Exchange(nil, tx, nil)
	q.Queue.Exchange(nil, free, nil)
	if rx == nil {
		return
	}
	for rx.N = 0; !rx.Full() && q.Alloc(rx, len(q.frame)); {
		p := &rx.Packets[rx.N-1]
		p.Port, p.Queue = 0, 0
		q.turn = (q.turn + 1) % 1000
		binary.BigEndian.PutUint16(q.frame[34:], 10_000+q.turn) // without UDP checksum
		copy(p.Bytes(), q.frame)
	}
}

// wheelFrame is an empty datagram from 10.0.0.50 to 10.0.0.100:80, without UDP checksum.
func wheelFrame() []byte {
	f := make([]byte, 60)
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 50, 8, 0})
	copy(f[14:], []byte{0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 50, 10, 0, 0, 100})
	var sum uint32
	for i := 14; i < 34; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(f[i:]))
	}
	binary.BigEndian.PutUint16(f[24:], ^uint16(sum+sum>>16))
	copy(f[36:], []byte{0, 80, 0, 8})
	return f
}

const wheelFile = `
[director]
workers = [0]
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24"]
[[neighbour]]
address = "10.0.0.11"
mac = "02:00:00:00:00:0b"
[[service]]
name = "web"
address = "10.0.0.100:80"
protocol = "udp"
mode = "dr"
  [[service.real_server]]
  address = "10.0.0.11:80"
`

// BenchmarkTurnsBesideChecks shows whether checks slow a worker's turns. A worker handles packets
// of known sessions on CPU 0 for five seconds, alone and beside the checks of 10,000 real servers.
// It reports the packets that it handles, its longest turn, and the turns of 128 µs and more. The
// process needs a second CPU for the checks.
func BenchmarkTurnsBesideChecks(b *testing.B) {
	for _, checked := range []bool{false, true} {
		name := map[bool]string{false: "alone", true: "checked"}[checked]
		b.Run(name, func(b *testing.B) {
			if checked {
				checkFarm(b)
			}
			w := turnWheel(b, 5*time.Second)
			seconds := w.Times.Total.Seconds()
			long := uint64(0)
			for i, n := range w.Times.Counts {
				if limit, limited := engine.TurnTimeLimit(i); !limited || limit > 128*time.Microsecond {
					long += n
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(w.Transmitted)/seconds/1e6, "Mpps")
			b.ReportMetric(float64(w.Times.Longest.Microseconds()), "us-longest")
			b.ReportMetric(float64(long)/seconds, "long-turns/s")
		})
	}
}

// turnWheel runs a worker for a time, and returns what it has counted.
func turnWheel(b *testing.B, d time.Duration) engine.WorkerReport {
	b.Helper()
	pool, err := memory.NewPool(4 * ports.MaxBurst)
	if err != nil {
		b.Fatal(err)
	}
	port := memory.NewPort(memory.Config{
		Name: "front", MAC: packet.MAC{2, 0, 0, 0, 0, 1}, Pool: pool, Queues: 1,
	})
	c := parsePlanned(b, wheelFile)
	ec := EngineConfig(c)
	ec.CPUs = []int{0}
	ec.Ports = []ports.Port{wheel{port, &wheelQueue{Queue: port.Queue(0), frame: wheelFrame()}}}
	e, err := engine.New(ec, EngineSettings(c))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { err = e.Run(ctx, func() {}) })
	time.Sleep(d)
	r := e.Report()
	cancel()
	running.Wait()
	if err != nil {
		b.Fatal(err)
	}
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
	return r.Workers[0]
}
