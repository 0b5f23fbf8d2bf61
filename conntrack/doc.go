// Package conntrack remembers sessions: which packets belong together, to which real server they
// go, in which state they are and when they end.
//
// A Table belongs to one worker: no other goroutine may call its methods. None of them allocates or
// blocks. Time comes in as an argument: milliseconds of a clock that does not stop while the
// machine sleeps (CLOCK_BOOTTIME). It is a uint32 that wraps and is compared by signed difference.
//
// # Memory
//
// New maps all of a table's memory at start, outside the Go heap and without Go pointers in it. Per
// session at the configured maximum, in bytes:
//
//	IPv4    IPv6
//	64      64      the record (Session), one cache line
//	        64      the addresses (Addresses6), a second cache line
//	17.1    17.1    two index entries of 6.4 bytes at a load of three quarters
//	 2       2      the tick at which Expire looks at it
//	83.1   147.1    total
//
// Each family has a slab of slots of its own, with its own free slots. A flood of one family
// therefore does not evict sessions of the other. Slot numbers run through both slabs, IPv4 first.
// Records, ticks and the index are the same for both families. Only code that compares or reads
// addresses has to know the family.
//
// # The record, byte by byte
//
//	 0  4  client address            28  4  real server id
//	 4  4  VIP                       32  4  last seen, ms
//	 8  2  client port               36  4  packets in
//	10  2  service port              40  4  packets out
//	12  1  protocol                  44  4  sequence delta
//	13  1  state                     48  2  next hop
//	14  1  flags                     50  2  generation
//	15  1  mode                      52  4  route epoch
//	16  4  real server's address     56  4  template; in a free record the next free one
//	20  4  where its answers go      60  4  life of the template
//	24  2  real server's port
//	26  2  where its answers go
//
// Numbers are in the machine's byte order. "Where its answers go" is the client in nat and
// LIP:lport in fullnat. dr and ipip leave it zero, because the answers do not pass the director.
// Flags In6 and Out6 mark IPv6 flows: the record has their ports and zero addresses, and the second
// cache line has their addresses:
//
//	 0 16  client address, IPv6
//	16 16  VIP, IPv6
//	32 16  real server's address, IPv6
//	48 16  where its answers go, IPv6
//
// An IPv6 client whose real server has an IPv4 address (fullnat) has a session of the IPv6 slab.
// Its outbound flow is IPv4, in the record as usual. All references are indexes, not addresses, so
// the memory means the same wherever it is mapped.
//
// # Index
//
// Buckets of one cache line hold ten entries: a 16-bit tag of the key's hash and a 32-bit reference
// to the record. The entries of a bucket lie side by side from its first place on. A key lies in
// its home bucket or, when that is full, in one other bucket. The tag and either bucket determine
// the other one. Each bucket counts the entries that had to go elsewhere, and a look-up reads the
// other bucket only when that count is not zero.
//
// # A full table
//
// A new session takes the place of one that is not confirmed, that is, of one that an invented
// source could have begun: half-open ones, single datagrams, TCP without anything after the
// handshake, closed ones (class.go). What a session has shown follows from its state and its
// counts of packets, so nothing is written for it. Confirmed sessions never give way.
//
// IPVS's drop_entry (DropEntries) ends sessions before the table is full, by rules of its own: any
// that is half-open, and some of those that are silent after few packets.
//
// # Timers
//
// There are no timer lists. Each record has a 16-bit tick beside it, at which Expire looks at its
// session. A sweep passes over these ticks about once a second, in sequence, two bytes a session. A
// session with newer packets gets a new tick. A wheel of index and generation entries was the
// alternative. It needs another entry for each shortened timeout, and a short TCP life shortens its
// timeout several times. Its memory is therefore not bounded by the number of sessions.
//
// # Fragments
//
// Only the first fragment of a datagram has the ports by which a session is found. Fragments is a
// table beside the sessions that lets the other fragments follow the first. It is bounded in
// datagrams, in the gaps within one, and in the fragments that wait for their first. It never
// forwards the same bytes twice. It takes 136 bytes per datagram.
package conntrack
