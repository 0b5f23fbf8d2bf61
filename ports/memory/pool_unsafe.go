package memory

// Why this is sound: the arena is an anonymous mapping, so its addresses stay valid until Close
// and the garbage collector has nothing to do with it. Only the address of its first byte is
// taken.

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"fulcrum/ports"
)

// BufferSize is the size of a buffer in bytes, headroom included.
const BufferSize = 2304

// Pool is a fixed number of packet buffers.
type Pool struct {
	arena []byte
	base  uintptr
	id    uintptr

	mu   sync.Mutex
	free []uintptr // handles
	out  map[uintptr]bool
}

// A handle is the pool's id above the buffer's number. Like an mbuf, a buffer so knows its pool, and any port may
// send or free what another one received.
const idShift = 32

var (
	lastID atomic.Uintptr
	pools  sync.Map // id -> *Pool
)

// NewPool maps n buffers.
func NewPool(n int) (*Pool, error) {
	arena, err := syscall.Mmap(-1, 0, n*BufferSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("map %d packet buffers: %w", n, err)
	}
	p := &Pool{arena: arena, base: uintptr(unsafe.Pointer(&arena[0])), id: lastID.Add(1), out: make(map[uintptr]bool, n)}
	for i := n - 1; i >= 0; i-- {
		p.free = append(p.free, p.id<<idShift|uintptr(i))
	}
	pools.Store(p.id, p)
	return p, nil
}

// Close gives the memory back. No buffer may be used afterwards.
func (p *Pool) Close() error {
	pools.Delete(p.id)
	return syscall.Munmap(p.arena)
}

// InUse returns how many buffers are held by ports, workers or tests.
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
		Handle: h,
		Buffer: p.base + (h-p.id<<idShift)*BufferSize,
		Offset: ports.Headroom,
		Length: uint16(length),
		Room:   BufferSize,
	}, true
}

// put gives a buffer back to its pool.
func put(h uintptr) {
	p, ok := pools.Load(h >> idShift)
	if !ok {
		panic(fmt.Sprintf("memory: buffer %#x freed after its pool was closed", h))
	}
	p.(*Pool).put(h)
}

// put takes a buffer back; a buffer that is not out is the caller's bug.
func (p *Pool) put(h uintptr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.out[h] {
		panic(fmt.Sprintf("memory: buffer %#x freed twice", h))
	}
	delete(p.out, h)
	p.free = append(p.free, h)
}
