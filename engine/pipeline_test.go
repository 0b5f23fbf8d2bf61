package engine

import (
	"fmt"
	"fulcrum/lvs"
	"net/netip"
	"testing"

	"fulcrum/conntrack"
	"fulcrum/hostway"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/ports/memory"
	"fulcrum/sched"
)

// sink is a port whose queue takes all packets at no cost and receives none.
type sink struct {
	*memory.Port
}

func (s sink) Queue(int) ports.Queue { return s }

func (s sink) Exchange(tx, free, rx *ports.Burst) {
	for _, b := range [...]*ports.Burst{tx, free, rx} {
		if b != nil {
			b.N = 0
		}
	}
}

func (s sink) Alloc(*ports.Burst, int) bool { return false }

// mill feeds a worker's pipeline with bursts of UDP from many clients, in an order that defeats
// prefetching. It uses a few buffers that are always in the cache, as if a NIC had written them
// there.
type mill struct {
	worker *Worker
	burst  ports.Burst
	fresh  ports.Burst // the packets as they come from the port
	frame  []byte
	next   uint32
	flows  uint32
}

func newMill(b *testing.B, mode modes.Mode, flows int) *mill {
	b.Helper()
	return newMillOf(b, millSettings(mode), conntrack.DefaultTimeouts(), max(flows, 1<<10), flows)
}

func newMillOf(b *testing.B, s Settings, timeouts conntrack.Timeouts, sessions, flows int) *mill {
	b.Helper()
	s.Timeouts = timeouts
	return newMills(b, s, millConfig{sessions: sessions, flows: flows, workers: 1})[0]
}

// millConfig sizes a director with mills; sessions and flows are those of each worker. keep is the
// folder of kept sessions, or "".
type millConfig struct {
	sessions, flows, workers int
	keep                     string
}

// newMills makes a director with a mill for each worker.
func newMills(b *testing.B, s Settings, c millConfig) []*mill {
	b.Helper()
	n := c.workers
	pool, err := memory.NewPool(n * ports.MaxBurst)
	if err != nil {
		b.Fatal(err)
	}
	mac := packet.MAC{2, 0, 0, 0, 0, 1}
	port := sink{memory.NewPort(memory.Config{Name: "wire", MAC: mac, Pool: pool, Queues: n})}
	cfg := Config{
		Ports: []ports.Port{port}, CPUs: make([]int, n), Sessions: n * c.sessions,
		Seed: 1, Huge: true, Keep: c.keep,
	}
	for range n {
		if s.Ports[0].Host {
			cfg.Host = append(cfg.Host, hostway.NewLink(hostRing, 1518, func() {}))
		}
	}
	e, err := New(cfg, s)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	})
	var mills []*mill
	for i, w := range e.workers {
		w.incoming, w.outgoing = nil, nil // each mill sends only flows of its own worker
		m := &mill{worker: w, flows: uint32(c.flows), frame: udpFrame(mac)}
		w.Turn(1000)
		for range ports.MaxBurst {
			if !port.Port.Queue(i).Alloc(&m.fresh, len(m.frame)) {
				b.Fatal("no buffer")
			}
		}
		mills = append(mills, m)
	}
	return mills
}

func millSettings(mode modes.Mode) Settings {
	s := Settings{
		Ports: []PortSettings{{Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/16")}}},
		Routes: []Route{{To: netip.MustParsePrefix("0.0.0.0/0"),
			Via: netip.MustParseAddr("10.1.255.254")}},
		Neighbours: []StaticNeighbour{{Address: netip.MustParseAddr("10.1.255.254"),
			MAC: packet.MAC{2, 0, 0, 0, 0, 2}}},
	}
	v := Service{Name: "mill", Address: netip.MustParseAddrPort("10.1.0.100:53"), Protocol: lvs.UDP,
		Mode: mode, Scheduler: sched.RR}
	for i := range 16 {
		a := netip.AddrFrom4([4]byte{10, 1, 1, byte(i)})
		v.RealServers = append(v.RealServers,
			RealServer{Address: netip.AddrPortFrom(a, 53), Weight: 1})
		s.Neighbours = append(s.Neighbours,
			StaticNeighbour{Address: a, MAC: packet.MAC{2, 0, 0, 0, 1, byte(i)}})
		v.LocalAddresses = append(v.LocalAddresses, netip.AddrFrom4([4]byte{10, 1, 2, byte(i)}))
	}
	s.Services = []Service{v}
	return s
}

// udpFrame is a 60-byte frame to the service of millSettings.
func udpFrame(mac packet.MAC) []byte {
	frame := make([]byte, packet.MinFrameLen)
	packet.Ethernet(frame).SetHeader(mac, packet.MAC{2, 0, 0, 0, 0, 2}, packet.EtherTypeIPv4)
	packet.IPv4(frame[packet.EthernetLen:]).Encode(packet.IPv4Fields{
		TotalLength: 46, TTL: 64, Protocol: packet.ProtocolUDP, Dst: 0x0a010064,
	})
	udp := packet.UDP(frame[packet.EthernetLen+packet.IPv4MinLen:])
	udp.SetDstPort(53)
	udp[5] = 26
	return frame
}

// fill prepares the next burst: each packet from another client.
func (m *mill) fill() {
	m.burst = m.fresh
	for i := range m.burst.Slice() {
		frame := m.burst.Packets[i].Bytes()
		copy(frame, m.frame)
		// The step is a large prime, and coprime to every number of flows used here, so that the
		// walk meets all clients.
		m.next += 2654435761 % m.flows
		if m.next >= m.flows {
			m.next -= m.flows
		}
		setClient(frame, m.next)
	}
}

// setClient makes a frame one of client n.
func setClient(frame []byte, n uint32) {
	ip := packet.IPv4(frame[packet.EthernetLen:])
	src := 0xc6120000 + n/50000
	ip.SetChecksum(packet.Delta(0).Change32(0, src).Apply(ip.Checksum()))
	ip.SetSrc(src)
	packet.UDP(ip[packet.IPv4MinLen:]).SetSrcPort(uint16(1024 + n%50000))
}

// BenchmarkPipeline takes packets of known sessions through the pipeline, without any driver.
// "prepare" is the cost of the benchmark itself, to be subtracted.
func BenchmarkPipeline(b *testing.B) {
	for _, flows := range []int{1_000, 1_000_000, 10_000_000} {
		for mode := range modes.NumModes {
			b.Run(fmt.Sprintf("%s/%d", mode, flows),
				func(b *testing.B) { newMill(b, mode, flows).run(b) })
		}
	}
	b.Run("prepare", func(b *testing.B) {
		m := newMill(b, modes.DR, 1000)
		for range perBurst(b) {
			m.fill()
		}
	})
}

// BenchmarkPipelineHost is BenchmarkPipeline with and without a host interface to which
// nothing goes: what it costs packets that do not concern it.
func BenchmarkPipelineHost(b *testing.B) {
	for _, host := range []bool{false, true} {
		for mode := range modes.NumModes {
			b.Run(fmt.Sprintf("host=%t/%s", host, mode), func(b *testing.B) {
				s := millSettings(mode)
				s.Ports[0].Host = host
				m := newMillOf(b, s, conntrack.DefaultTimeouts(), 1<<10, 1000)
				m.run(b)
			})
		}
	}
}

// BenchmarkNewFlows takes first packets of flows through the pipeline. The table holds so many
// sessions; when it is full, all are ended, untimed.
func BenchmarkNewFlows(b *testing.B) {
	for _, flows := range []int{100_000, 4_000_000} {
		for mode := range modes.NumModes {
			b.Run(fmt.Sprintf("%s/%d", mode, flows),
				func(b *testing.B) { newMill(b, mode, flows).runNew(b) })
		}
	}
}

func (m *mill) runNew(b *testing.B) {
	b.ReportAllocs()
	for range perBurst(b) {
		m.fill()
		if m.worker.sessions.Len()+ports.MaxBurst > int(m.flows) {
			b.StopTimer()
			m.worker.sessions.EndAll()
			b.StartTimer()
		}
		m.worker.process(&m.burst)
	}
	if n := m.worker.counters.totals.Drops[DropNoLocalPort]; n > 0 {
		b.Errorf("%d packets found no local port", n)
	}
}

// begin begins all sessions.
func (m *mill) begin(b *testing.B) {
	for range 2 * m.flows / ports.MaxBurst {
		m.fill()
		m.worker.process(&m.burst)
	}
	if int(m.flows)-m.worker.sessions.Len() > ports.MaxBurst {
		b.Fatalf("%d sessions of %d flows", m.worker.sessions.Len(), m.flows)
	}
}

func (m *mill) run(b *testing.B) {
	m.begin(b)
	b.ReportAllocs()
	for range perBurst(b) {
		m.fill()
		m.worker.process(&m.burst)
	}
}

// perBurst makes b.N count packets: it returns how many bursts to run.
func perBurst(b *testing.B) int {
	b.ResetTimer()
	return b.N/ports.MaxBurst + 1
}

// BenchmarkOnePacket is BenchmarkNewFlows for a service that keeps no sessions.
func BenchmarkOnePacket(b *testing.B) {
	for mode := range modes.NumModes {
		if mode.Source() == lvs.Local {
			continue
		}
		b.Run(mode.String(), func(b *testing.B) {
			s := millSettings(mode)
			s.Services[0].OnePacket = true
			c := millConfig{sessions: 1000, flows: 100_000, workers: 1}
			newMills(b, s, c)[0].runNew(b)
		})
	}
}
