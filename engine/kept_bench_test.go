package engine

import (
	"flag"
	"os"
	"testing"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
)

// resumed is the number of sessions of BenchmarkResume. 10,000,000 take 5 GB.
var resumed = flag.Int("resumed", 1_000_000, "sessions that BenchmarkResume takes over")

// BenchmarkResume measures the start of a director that takes sessions over, whose files are on
// tmpfs. -benchtime 1x is enough.
func BenchmarkResume(b *testing.B) {
	for _, mode := range []modes.Mode{modes.DR, modes.NAT} {
		b.Run(mode.String(), func(b *testing.B) { benchmarkResume(b, mode, *resumed) })
	}
}

func benchmarkResume(b *testing.B, mode modes.Mode, n int) {
	folder, err := os.MkdirTemp("/dev/shm", "fulcrum-bench-")
	if err != nil {
		b.Skip(err)
	}
	defer os.RemoveAll(folder)
	s := oneArm
	service := s.web(mode, 3)
	settings, large := s.serving(service), func(c *bedConfig) { c.sessions = n + n/8 }
	d := newBed(b, s, settings, keptIn(folder, 1), large)
	fillWithSessions(d, mode, n)
	d.close()
	took := 0.0
	for b.Loop() {
		d = newBed(b, s, settings, keptIn(folder, 1), large)
		r := d.engine.Kept()
		if r.Kept != n {
			b.Fatalf("%+v", r)
		}
		took += r.Took.Seconds()
		d.close()
	}
	b.ReportMetric(took/float64(b.N), "s/resume")
	b.ReportMetric(took/float64(b.N)/float64(n)*1e9, "ns/session")
}

// fillWithSessions gives the worker n established sessions of its first service.
func fillWithSessions(d *bed, mode modes.Mode, n int) {
	w := d.worker
	vip := d.site.in(tcp(client, webVIP, "")).dst
	for i := range n {
		server := w.snap.servers[i%3]
		in := conntrack.Key{Protocol: packet.ProtocolTCP, Flow: packet.Flow{
			Src: packet.AddrOf4(0x2c000000 + uint32(i)/50), SrcPort: uint16(10000 + i%50),
			Dst: packet.AddrOf(vip.Addr()), DstPort: vip.Port(),
		}}
		out := packet.Flow{Src: server.address, SrcPort: 80}
		if mode.TwoWay() {
			out.Dst, out.DstPort = in.Src, in.SrcPort
		}
		back := conntrack.Key{Flow: out, Protocol: in.Protocol}
		hashes := conntrack.Hashes{In: w.sessions.Hash(&in), Out: w.sessions.Hash(&back)}
		slot, ok := w.sessions.Insert(&in, hashes, &out, mode.TwoWay(), w.now)
		if !ok {
			d.Fatal("the table is full")
		}
		session := w.sessions.At(slot)
		session.Server, session.Mode = uint32(i%3), mode
		w.sessions.SetState(slot, conntrack.Established, w.now)
		server.load.Begin()
	}
}

// BenchmarkTakeOver measures the last step of a successor, in which no packet is forwarded. All
// sessions are entered already, and one in ten has changed since. -benchtime 1x is enough.
func BenchmarkTakeOver(b *testing.B) {
	for _, mode := range []modes.Mode{modes.DR, modes.NAT} {
		b.Run(mode.String(), func(b *testing.B) { benchmarkTakeOver(b, mode, *resumed) })
	}
}

func benchmarkTakeOver(b *testing.B, mode modes.Mode, n int) {
	folder, err := os.MkdirTemp("/dev/shm", "fulcrum-bench-")
	if err != nil {
		b.Skip(err)
	}
	defer os.RemoveAll(folder)
	s := oneArm
	settings, large := s.serving(s.web(mode, 3)), func(c *bedConfig) { c.sessions = n + n/8 }
	d := newBed(b, s, settings, keptIn(folder, 1), large)
	fillWithSessions(d, mode, n)
	took := 0.0
	for b.Loop() {
		next := d.succeed(settings, folder, 1, large)
		for slot := 0; slot < n; slot += 10 {
			d.worker.sessions.At(uint32(slot)).PacketsIn++
		}
		next.takeOver(d)
		if r := next.engine.Kept(); r.Kept != n {
			b.Fatalf("%+v", r)
		}
		took += next.engine.Kept().Took.Seconds()
		d = next
	}
	d.close()
	b.ReportMetric(took/float64(b.N)*1e3, "ms/takeover")
	b.ReportMetric(took/float64(b.N)/float64(n)*1e9, "ns/session")
}
