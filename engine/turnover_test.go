package engine

import (
	"encoding/binary"
	"fmt"
	"fulcrum/lvs"
	"math"
	"testing"
	"time"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// turnover feeds a worker with sessions that begin as fast as others end: a director at its highest
// rate of new sessions. Every packet is the next one of its flow. A flow's next packet comes gap
// flows later.
type turnover struct {
	*mill
	steps   []packet.TCPFlags // of a flow; none for a datagram
	answers bool
	now     uint32 // ms
	bursts  uint32
	flow    uint32
}

const (
	turnoverFlows  = 1 << 26 // a flow does not come again while its session exists
	turnoverTable  = 8 << 20 // sessions
	floodTable     = 2 << 20
	turnoverGap    = 512
	burstsPerMilli = 48  // three million packets a second
	stretch        = 480 // bursts of new flows
)

var (
	synOnly   = []packet.TCPFlags{packet.TCPSyn}
	wholeLife = []packet.TCPFlags{packet.TCPSyn, packet.TCPAck, packet.TCPAck | packet.TCPPsh,
		packet.TCPFin | packet.TCPAck}
)

// BenchmarkTurnover measures a session's packets, its beginning and its end, with millions of
// sessions in the table.
func BenchmarkTurnover(b *testing.B) {
	for _, mode := range []modes.Mode{modes.DR, modes.FullNAT} {
		b.Run(fmt.Sprintf("%s/udp", mode),
			func(b *testing.B) { newTurnover(b, mode, nil, false).run(b) })
		b.Run(fmt.Sprintf("%s/syn", mode),
			func(b *testing.B) { newTurnover(b, mode, synOnly, false).run(b) })
		b.Run(fmt.Sprintf("%s/life", mode),
			func(b *testing.B) { newTurnover(b, mode, wholeLife, mode == modes.FullNAT).run(b) })
	}
}

// BenchmarkFlood measures a SYN on a table full of half-open sessions: the oldest is evicted.
func BenchmarkFlood(b *testing.B) {
	for _, mode := range []modes.Mode{modes.DR, modes.FullNAT} {
		b.Run(mode.String(), func(b *testing.B) {
			t := newTurnoverOf(b, turnoverConfig{
				mode: mode, steps: synOnly, table: floodTable,
				timeouts: conntrack.DefaultTimeouts(),
			})
			for t.worker.sessions.Evicted() == 0 {
				t.burstOf()
			}
			t.measure(b)
		})
	}
}

func newTurnover(b *testing.B, mode modes.Mode, steps []packet.TCPFlags, answers bool) *turnover {
	timeouts := conntrack.DefaultTimeouts()
	for i := range timeouts {
		timeouts[i] = 1000
	}
	return newTurnoverOf(b, turnoverConfig{
		mode: mode, steps: steps, answers: answers, table: turnoverTable, timeouts: timeouts,
	})
}

// turnoverConfig describes a turnover.
type turnoverConfig struct {
	mode     modes.Mode
	steps    []packet.TCPFlags // of a flow; none for a datagram
	answers  bool              // real servers answer
	table    int               // sessions
	timeouts conntrack.Timeouts
}

func newTurnoverOf(b *testing.B, c turnoverConfig) *turnover {
	settings := millSettings(c.mode)
	if c.steps != nil {
		settings.Services[0].Protocol = lvs.TCP
	}
	t := &turnover{
		mill:  newMillOf(b, settings, c.timeouts, c.table, turnoverFlows),
		steps: c.steps, answers: c.answers, now: 1000,
	}
	if c.steps != nil {
		ip := packet.IPv4(t.frame[packet.EthernetLen:])
		ip.Encode(packet.IPv4Fields{TotalLength: 46, TTL: 64, Protocol: packet.ProtocolTCP,
			Dst: 0x0a010064})
		ip[packet.IPv4MinLen+12] = packet.TCPMinLen / 4 << 4
	}
	return t
}

// run lets as many sessions end as begin, and measures.
func (t *turnover) run(b *testing.B) {
	for range 2200 * burstsPerMilli {
		t.burstOf()
	}
	if n := t.worker.sessions.Len(); n == turnoverTable || n == 0 {
		b.Fatalf("%d sessions", n)
	}
	t.worker.counters.totals = Totals{} // the first flows missed their first steps
	t.measure(b)
}

// measure reports the time of a session: on average, and in the best stretch, which is more
// reliable on a machine whose speed changes.
func (t *turnover) measure(b *testing.B) {
	b.ReportAllocs()
	steps, best := max(len(t.steps), 1), time.Duration(math.MaxInt64)
	for range perBurst(b)/stretch + 1 {
		began := time.Now()
		for range stretch * steps {
			t.burstOf()
		}
		best = min(best, time.Since(began))
	}
	b.ReportMetric(float64(best.Nanoseconds())/(stretch*ports.MaxBurst), "best-ns/op")
	for why, n := range t.worker.counters.totals.Drops {
		if n > 0 {
			b.Errorf("%d dropped as %v", n, Verdict(why))
		}
	}
}

// burstOf does a turn's work for a burst and for the answers to it.
func (t *turnover) burstOf() {
	t.fillNext()
	t.worker.now = t.now
	t.worker.process(&t.burst)
	if t.answers {
		t.reply()
		t.worker.out[0].N = 0
		t.worker.process(&t.burst)
	}
	t.worker.out[0].N = 0
	t.worker.sessions.Expire(t.now)
	if t.bursts++; t.bursts == burstsPerMilli {
		t.bursts = 0
		t.now++
	}
}

// fillNext prepares the next packets.
func (t *turnover) fillNext() {
	t.burst = t.fresh
	for i := range t.burst.Slice() {
		frame := t.burst.Packets[i].Bytes()
		copy(frame, t.frame)
		step := 0
		if len(t.steps) > 0 {
			step = i % len(t.steps)
			frame[packet.EthernetLen+packet.IPv4MinLen+13] = byte(t.steps[step])
		}
		if step == 0 {
			t.flow++
		}
		n := (t.flow - uint32(step)*turnoverGap) % turnoverFlows
		setClient(frame, uint32(uint64(n)*2654435761%turnoverFlows))
	}
}

// reply turns the sent packets into their answers, which come in next.
func (t *turnover) reply() {
	t.burst.N = 0
	for _, p := range t.worker.out[0].Slice() {
		frame := p.Bytes()
		ip := packet.IPv4(frame[packet.EthernetLen:])
		segment := ip[packet.IPv4MinLen:]
		flags, ok := answerTo(packet.TCP(segment).Flags())
		if !ok {
			continue
		}
		segment[13] = byte(flags)
		packet.Ethernet(frame).SetDst(packet.Ethernet(t.frame).Dst())
		src, dst := ip.Src(), ip.Dst()
		ip.SetSrc(dst)
		ip.SetDst(src)
		between := binary.BigEndian.Uint32(segment)
		binary.BigEndian.PutUint32(segment, between<<16|between>>16)
		t.burst.Push(&p)
	}
}

// answerTo returns a server's answer to a segment, and whether there is one.
func answerTo(f packet.TCPFlags) (packet.TCPFlags, bool) {
	switch {
	case f&packet.TCPSyn != 0:
		return packet.TCPSyn | packet.TCPAck, true
	case f&packet.TCPFin != 0:
		return packet.TCPFin | packet.TCPAck, true
	case f&packet.TCPPsh != 0:
		return packet.TCPAck, true
	}
	return 0, false
}
