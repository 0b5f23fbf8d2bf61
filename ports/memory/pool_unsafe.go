package memory

// Why this is sound: the arena is an anonymous mapping. Its addresses stay valid until Close, and
// the garbage collector does not touch it. Only the address of its first byte is taken.

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"fulcrum/ports"
)

// BufferSize is the size of a buffer in bytes, including the headroom.
const BufferSize = 2304

// Pool is a fixed number of packet buffers. It may be used from any goroutine.
type Pool struct {
	arena []byte
	base  uintptr
	id    uintptr

	mu   sync.Mutex
	free []uintptr // handles
	out  map[uintptr]bool
}

// A handle is the pool's id above the number of the buffer. A buffer thereby knows its pool, like
// an mbuf, and any port may send or free the packets that another received.
const idShift = 32

var (
	lastID atomic.Uintptr
	pools  sync.Map // id -> *Pool
)

// NewPool maps memory for n buffers.
func NewPool(n int) (*Pool, error) {
	arena, err := syscall.Mmap(-1, 0, n*BufferSize,
		syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("mapping %d packet buffers: %w", n, err)
	}
	p := &Pool{
		arena: arena, base: uintptr(unsafe.Pointer(&arena[0])), id: lastID.Add(1),
		out: make(map[uintptr]bool, n),
	}
	for i := n - 1; i >= 0; i-- {
		p.free = append(p.free, p.id<<idShift|uintptr(i))
	}
	pools.Store(p.id, p)
	return p, nil
}

// Close unmaps the memory. No buffer may be used afterwards.
func (p *Pool) Close() error {
	pools.Delete(p.id)
	return syscall.Munmap(p.arena)
}

// InUse returns the number of buffers that ports, workers or tests hold.
func (p *Pool) InUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.out)
}

func (p *Pool) get(length int) (ports.Packet, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 || length > BufferSize-ports.Headroom {
		return ports.Packet{}, false
	}
	h := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	p.out[h] = true
	return ports.Packet{
		Handle:    h,
		Buffer:    p.base + (h-p.id<<idShift)*BufferSize,
		Offset:    ports.Headroom,
		Length:    uint16(length),
		BufferLen: BufferSize,
	}, true
}

// put returns a buffer to its pool.
func put(h uintptr) {
	p, ok := pools.Load(h >> idShift)
	if !ok {
		panic(fmt.Sprintf("memory: buffer %#x freed after its pool was closed", h))
	}
	p.(*Pool).put(h)
}

// put returns a buffer to the pool. It panics if the buffer is not in use, because then a caller
// freed it twice.
func (p *Pool) put(h uintptr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.out[h] {
		panic(fmt.Sprintf("memory: buffer %#x freed twice", h))
	}
	delete(p.out, h)
	p.free = append(p.free, h)
}
