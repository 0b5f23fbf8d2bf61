package hostway

import "sync/atomic"

// Ring carries frames from one thread to another, which may run at the same time. A frame belongs
// to a port, given by its index.
type Ring struct {
	size  int
	slots []slot // slot i has the bytes of data from i*size on
	data  []byte

	_    [64]byte
	tail atomic.Uint64 // number of frames written
	_    [56]byte
	head atomic.Uint64 // number of frames read
	_    [56]byte
}

type slot struct {
	port   uint16
	length uint16 // bytes
}

// NewRing returns a ring for so many frames of at most size bytes, from the Ethernet header on. The
// number of frames must be a power of two, and size below 65536.
func NewRing(frames, size int) *Ring {
	return &Ring{size: size, slots: make([]slot, frames), data: make([]byte, frames*size)}
}

// Put copies a frame into the ring. It returns false if the ring is full or the frame too long.
// Only the sender may call it.
func (r *Ring) Put(port uint16, frame []byte) bool {
	tail := r.tail.Load()
	if tail-r.head.Load() == uint64(len(r.slots)) || len(frame) > r.size {
		return false
	}
	i := int(tail & uint64(len(r.slots)-1))
	r.slots[i] = slot{port, uint16(len(frame))}
	copy(r.data[i*r.size:], frame)
	r.tail.Store(tail + 1)
	return true
}

// Peek returns the next frame and its port. The frame is nil if there is none, and valid until
// Next. Only the receiver may call it.
func (r *Ring) Peek() (port uint16, frame []byte) {
	head := r.head.Load()
	if head == r.tail.Load() {
		return 0, nil
	}
	i := int(head & uint64(len(r.slots)-1))
	s := r.slots[i]
	return s.port, r.data[i*r.size : i*r.size+int(s.length)]
}

// Next gives up the frame that Peek has returned. Only the receiver may call it.
func (r *Ring) Next() { r.head.Store(r.head.Load() + 1) }

// Room returns how many more frames the ring takes now. Only the sender may call it.
func (r *Ring) Room() int { return len(r.slots) - int(r.tail.Load()-r.head.Load()) }

// Cap returns how many frames an empty ring takes.
func (r *Ring) Cap() int { return len(r.slots) }

// Empty reports whether there is no frame. Either side may call it.
func (r *Ring) Empty() bool { return r.head.Load() == r.tail.Load() }
