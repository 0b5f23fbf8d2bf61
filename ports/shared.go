package ports

import "sync"

// Shared lets several workers send, free and allocate through one queue, for devices with fewer queues than workers.
// Receiving belongs to one of them, the queue's owner: the others give Exchange no rx. The owner uses the queue through
// Shared like the others.
type Shared struct {
	mu    sync.Mutex // held for sending, freeing and allocating: once a burst
	queue Queue
}

var _ Queue = (*Shared)(nil)

// NewShared makes a queue to be shared.
func NewShared(q Queue) *Shared { return &Shared{queue: q} }

// Exchange waits while another worker sends. An owner that only receives does not: a device's receive and transmit
// queues have nothing in common.
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

// Alloc waits while another worker sends.
func (s *Shared) Alloc(b *Burst, length int) bool {
	s.mu.Lock()
	ok := s.queue.Alloc(b, length)
	s.mu.Unlock()
	return ok
}
