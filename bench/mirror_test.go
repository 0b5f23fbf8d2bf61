package bench

import (
	"testing"

	"fulcrum/ports"
	"fulcrum/ports/memory"
)

// mirror receives what it sent. It has one burst of buffers and takes them back without a look, so
// that it allocates nothing itself.
type mirror struct {
	ports.Queue
	buffers, sent ports.Burst
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	port := memory.NewPort(memory.Config{Pool: newPool(t)})
	m := &mirror{Queue: port.Queue(0)}
	if !m.Queue.(ports.Source).AllocBurst(&m.buffers, ports.MaxBurst, MaxSize) {
		t.Fatal("no buffers")
	}
	t.Cleanup(func() { port.Queue(0).Exchange(nil, &m.buffers, nil) })
	return m
}

func (m *mirror) Exchange(tx, _, rx *ports.Burst) {
	*rx, m.sent = m.sent, *tx
	tx.N = 0
}

func (m *mirror) AllocBurst(b *ports.Burst, n, length int) bool {
	for i := range n {
		p := m.buffers.Packets[i]
		p.Resize(length)
		b.Push(&p)
	}
	return true
}
