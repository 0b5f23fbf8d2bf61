package neighbour

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// MaxEntries bounds a table: a session holds a Hop in 16 bits.
const MaxEntries = 1<<16 - 1

// Hop is the number of an entry in a worker's table. Zero means none.
type Hop uint16

// Port is what a table knows of a port. It does not change.
type Port struct {
	MAC packet.MAC
	MTU int // bytes of IP
}

// Config describes a Table.
type Config struct {
	Ports  []Port // by the port number of packets and entries
	Worker int    // its number; 0 asks first
}

// key identifies an entry.
type key struct {
	address packet.Addr
	port    uint16
}

// Table holds the neighbours that a worker knows and the packets that wait for them. Only its
// worker may use it, and it must not be copied once it is in use.
type Table struct {
	entries    []Entry  // entries[0] is never used
	records    []record // by place
	ports      []Port
	worker     uint32
	index      map[key]Hop
	unused     []Hop // forgotten places
	lists      [numClasses]list
	queues     [MaxQueues]ports.Burst
	held       int    // packets in queues
	unanswered uint64 // entries that did not answer
	renewals   uint32 // see Renewals
	refusals   uint64
	refusal    Refusal // the last one; valid if refusals is not 0
	next       int     // entry at which the next tick continues
	last       uint32  // ms: time of the last tick
	changes    uint32  // of what HintOf says
	allowance  allowance
	work       Work
}

// New returns an empty table.
func New(c Config) Table {
	return Table{
		entries:   make([]Entry, 1, 256),
		records:   make([]record, 1, 256),
		index:     map[key]Hop{},
		ports:     c.Ports,
		worker:    uint32(c.Worker),
		allowance: fullAllowance,
		work:      Work{Ask: make([]Question, 0, 2*tickChunk), Failed: make([]Hop, 0, 2*tickChunk)},
	}
}

// At returns an entry of the table. The pointer is valid until the next Find, FindKept or
// SetTopology.
func (t *Table) At(h Hop) *Entry { return &t.entries[h] }

// MTU returns the MTU of entries on a port, in bytes of IP.
func (t *Table) MTU(port uint16) int { return min(t.ports[port].MTU, 1<<16-1) }

// Len returns how many neighbours are known.
func (t *Table) Len() int { return len(t.index) }

// Places returns how many places there are, free ones included. Every Hop is smaller.
func (t *Table) Places() int { return len(t.entries) }

// Renewals returns a number that changes whenever an entry gets or loses a MAC, or is confirmed, so
// that the caller may keep copies of what it reads in entries.
func (t *Table) Renewals() uint32 { return t.renewals }

// Unanswered returns how many neighbours were given up because they did not answer.
func (t *Table) Unanswered() uint64 { return t.unanswered }

// Lookup returns the hop of an address on a port, if it is known.
func (t *Table) Lookup(address packet.Addr, port uint16) (h Hop, ok bool) {
	h, ok = t.index[key{address, port}]
	return h, ok
}

// Find returns the hop of a stranger on a port: an address that no configuration names. It adds an
// incomplete entry if there is none. A stranger that nothing is known of gives way to it. ok is
// false when the table is full of others. now is in ms.
func (t *Table) Find(address packet.Addr, port uint16, now uint32) (h Hop, ok bool) {
	if h, ok = t.index[key{address, port}]; ok {
		return h, true
	}
	if h, ok = t.add(address, port, false, now); ok {
		t.settle(h)
	}
	return h, ok
}

// FindKept is Find for an entry that the configuration needs: any stranger gives way to it. The
// caller calls Want at once.
func (t *Table) FindKept(address packet.Addr, port uint16, now uint32) (h Hop, ok bool) {
	if h, ok = t.index[key{address, port}]; ok {
		return h, true
	}
	return t.add(address, port, true, now)
}

// add adds an incomplete entry, which the caller settles.
func (t *Table) add(address packet.Addr, port uint16, forKept bool, now uint32) (h Hop, ok bool) {
	if h, ok = t.place(forKept, now); !ok {
		return 0, false
	}
	t.entries[h] = Entry{
		Address:    address,
		Port:       port,
		MTU:        uint16(t.MTU(port)),
		Generation: t.entries[h].Generation,
		state:      Incomplete,
		since:      now - Retry, // the first question need not wait
	}
	t.records[h] = record{}
	t.index[key{address, port}] = h
	return h, true
}

// place returns a free place; ok is false when there is none.
func (t *Table) place(forKept bool, now uint32) (h Hop, ok bool) {
	if len(t.unused) == 0 && len(t.entries) <= MaxEntries {
		t.entries = append(t.entries, Entry{})
		t.records = append(t.records, record{})
		return Hop(len(t.entries) - 1), true
	}
	if len(t.unused) == 0 && !t.giveWay(forKept, now) {
		return 0, false
	}
	last := len(t.unused) - 1
	h = t.unused[last]
	t.unused = t.unused[:last]
	return h, true
}

// forget frees the place of an entry for which no packet waits.
func (t *Table) forget(h Hop) {
	t.renewals++
	e := &t.entries[h]
	t.unsay(h)
	delete(t.index, key{e.Address, e.Port})
	t.unlink(h)
	*e = Entry{Generation: e.Generation + 1}
	t.records[h] = record{}
	t.unused = append(t.unused, h)
}
