package persist

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
)

// BenchmarkSession measures what a new session costs with a million templates: the look-up, the
// restart, and the end. Use -cpu 1,2 for one and two workers.
func BenchmarkSession(b *testing.B) {
	const templates = 1_000_000
	table := newTable(b, templates+templates/8)
	for client := range uint32(templates) {
		r, _ := table.Begin(keyOf(client), Server{client % 16, 1}, 1<<30, 0)
		table.End(r, true, 0)
	}
	var workers atomic.Uint64
	b.RunParallel(func(p *testing.PB) {
		random := rand.New(rand.NewPCG(workers.Add(1), 1))
		for p.Next() {
			k := keyOf(random.Uint32N(templates))
			to, _ := table.Find(k, 1)
			r, _ := table.Begin(k, to, 1<<30, 1)
			table.End(r, true, 1)
		}
	})
}

// BenchmarkNewClient measures a client that has no template in a table that is full of others that
// give way.
func BenchmarkNewClient(b *testing.B) {
	const templates = 1_000_000
	table := newTable(b, templates)
	for client := range uint32(templates + templates/8) {
		table.Begin(keyOf(client), Server{client % 16, 1}, 1<<30, 0)
	}
	var workers atomic.Uint64
	b.RunParallel(func(p *testing.PB) {
		random := rand.New(rand.NewPCG(workers.Add(1), 1))
		for p.Next() {
			k := keyOf(1<<22 + random.Uint32N(1<<30))
			table.Find(k, 1)
			table.Begin(k, Server{1, 1}, 1<<30, 1)
		}
	})
}
