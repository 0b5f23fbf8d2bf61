package ports

import "sync"

// Shared lets several workers send, free and allocate through one queue, for devices with fewer
// queues than workers. Only one of them, the queue's owner, may receive; the others pass a nil rx.
// The owner uses the queue through Shared too.
type Shared struct {
	mu    sync.Mutex // held to send, free and allocate: once per burst
	queue Queue
}

var _ Queue = (*Shared)(nil)

// NewShared returns a Shared for q, which must not be used directly any more.
func NewShared(q Queue) *Shared { return &Shared{queue: q} }

// Exchange blocks while another worker sends. It does not block an owner that only receives,
// because the receive and transmit queues of a device are independent.
func (s *Shared) Exchange(tx, free, rx *Burst) {
	if isEmpty(tx) && isEmpty(free) {
		if rx != nil {
			s.queue.Exchange(nil, nil, rx)
		}
		return
	}
	s.mu.Lock()
	s.queue.Exchange(tx, free, rx)
	s.mu.Unlock()
}

func isEmpty(b *Burst) bool { return b == nil || b.N == 0 }

// Alloc blocks while another worker sends.
func (s *Shared) Alloc(b *Burst, length int) bool {
	s.mu.Lock()
	ok := s.queue.Alloc(b, length)
	s.mu.Unlock()
	return ok
}
