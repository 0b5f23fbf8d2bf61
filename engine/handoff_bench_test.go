package engine

import (
	"sync/atomic"
	"testing"

	"fulcrum/ports"
)

// BenchmarkHandoff measures moving a packet from one worker to another: on one thread, where only
// instructions count, and between two, where cache lines move.
func BenchmarkHandoff(b *testing.B) {
	b.Run("one thread", func(b *testing.B) {
		h, from, to := new(handoff), new(ports.Burst), new(ports.Burst)
		from.N = ports.MaxBurst
		for range perBurst(b) {
			for i := range from.Slice() {
				h.push(&from.Packets[i])
			}
			h.publish()
			to.N = 0
			h.pull(to)
		}
	})
	b.Run("two threads", func(b *testing.B) {
		h, from := new(handoff), new(ports.Burst)
		from.N = ports.MaxBurst
		var stop atomic.Bool
		done := make(chan struct{})
		go func() {
			defer close(done)
			for to := new(ports.Burst); !stop.Load(); to.N = 0 {
				h.pull(to)
			}
		}()
		for range perBurst(b) {
			for i := range from.Slice() {
				for !h.push(&from.Packets[i]) {
				}
			}
			h.publish()
		}
		stop.Store(true)
		<-done
	})
}
