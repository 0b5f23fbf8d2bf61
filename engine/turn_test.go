package engine

import (
	"testing"

	"fulcrum/modes"
)

// BenchmarkTurn measures what a turn costs without packets, without a driver and without the clock.
func BenchmarkTurn(b *testing.B) {
	w := newMill(b, modes.DR, 1000).worker
	for b.Loop() {
		w.Turn(w.now)
	}
}

// TestWorkLeftOverGoesOn: work on sessions that one turn does not finish goes on in the next turns
// of the same millisecond. Turns that have none left look at no session.
func TestWorkLeftOverGoesOn(t *testing.T) {
	const sessions = 3 * flushedSlots
	for _, tt := range []struct {
		name string
		due  func(b *bed, s site)
		done func(b *bed) bool
	}{
		{"timeouts", func(b *bed, s site) { b.now += 3_600_000 }, (*bed).hasNone},
		{"a removed real server", func(b *bed, s site) {
			b.engine.Apply(s.expiring(s.echo(modes.DR, 2).without()))
		}, (*bed).hasNone},
		{"a new limit", func(b *bed, s site) {
			v := s.echo(modes.DR, 1)
			v.MaxSessions = 2 * sessions
			b.engine.Apply(s.serving(v))
		}, func(b *bed) bool { return b.limitedSessions() == sessions }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := twoArm
			b := newBed(t, s, s.serving(s.echo(modes.DR, 1)))
			for i := range sessions {
				b.receive(s.front, b.fromClients(udp(client, echoVIP, "?"), i))
			}
			b.sessions(sessions)
			tt.due(b, s)
			turns := 1
			for b.turnAll(); b.worker.unfinished && turns < sessions; turns++ {
				b.turnAll()
			}
			if !tt.done(b) || turns < 2 {
				t.Errorf("after %d turns: %d sessions", turns, b.worker.sessions.Len())
			}
		})
	}
}

func (b *bed) hasNone() bool { return b.worker.sessions.Len() == 0 }

// limitedSessions returns how many sessions count for their service's limit.
func (b *bed) limitedSessions() (n int64) {
	for _, s := range b.worker.snap.order {
		n += int64(s.live.sessions())
	}
	return n
}
