package engine

import (
	"testing"

	"fulcrum/modes"
	"fulcrum/ports"
)

// The benchmarks measure the pipeline alone, without a device, with the shortest packets. The time
// includes copying each frame into its buffer, which a device does otherwise.

func newBenchBed(b *testing.B, m modes.Mode, sessions int) *bed {
	return newBed(b, twoArm, twoArm.serving(twoArm.echo(m, 3)),
		func(c *bedConfig) { c.sessions = sessions })
}

func perPacket(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*ports.MaxBurst), "ns/pkt")
}

// BenchmarkNewSession begins a session with every packet. It does not measure their end.
func BenchmarkNewSession(b *testing.B) {
	for _, m := range allModes {
		b.Run(m.String(), func(b *testing.B) { benchmarkNewSession(b, m) })
	}
}

func benchmarkNewSession(b *testing.B, m modes.Mode) {
	const most = 1 << 15
	d := newBenchBed(b, m, most)
	s := newSalvo(d)
	defer s.end()
	f := d.fromClients(udp(client, echoVIP, "eighteen bytes of."), 0)
	port := uint16(0)
	for b.Loop() {
		if d.worker.sessions.Len() == most {
			b.StopTimer()
			d.worker.sessions.EndAll()
			b.StartTimer()
		}
		for i := range ports.MaxBurst {
			setSource(f, port)
			s.load(i, f)
			port++
		}
		s.fire()
	}
	perPacket(b)
	d.dropped("")
}
