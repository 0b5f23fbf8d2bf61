// Package conntrack remembers sessions: which packets belong together, to which real server they
// go, in which state they are and when they end.
//
// A Table belongs to one worker; none of its methods may be called by anyone else, none of
// them allocates or blocks. Time comes in as an argument: milliseconds of a clock that does not stop while
// the machine sleeps (CLOCK_BOOTTIME), as a uint32 that wraps and is compared by signed difference.
//
// # Memory
//
// All of a table's memory is mapped at start, outside the Go heap and without Go pointers in it.
// Per session at the configured maximum, in bytes:
//
//	IPv4    IPv6
//	64      64      the record (Session), one cache line
//	        64      the addresses (Addresses6), one more
//	17.1    17.1    two index entries of 6.4 bytes at a load of three quarters
//	 4       4      its place in the queue of half-open sessions
//	 2       2      the tick at which its timer is looked at
//	87.1   151.1    all told
//
// Each family has a slab of slots of its own, with its own free slots and its own queue of half-open sessions, so that a flood
// of the one does not drive out sessions of the other. Slots are counted through both, IPv4 first: records, ticks and the
// index are the same for either, and only who compares or reads addresses has to know the family.
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
//	20  4  where its answers go      60  4  spare
//	24  2  real server's port
//	26  2  where its answers go
//
// Numbers are in the machine's byte order. "Where its answers go" is the client in nat and LIP:lport
// in fullnat; dr and ipip leave it zero, because the answers do not pass the director. Where a flow is
// of IPv6 (flags In6, Out6), its ports are in the record and its addresses, zero there, in the second line:
//
//	 0 16  client address, IPv6
//	16 16  VIP, IPv6
//	32 16  real server's address, IPv6
//	48 16  where its answers go, IPv6
//
// An IPv6 client whose real server has an IPv4 address (fullnat) has a session of the IPv6 slab with an
// outbound flow of IPv4, in the record as usual. Everything
// refers by index, nothing by address, so that the memory means the same wherever it is mapped.
//
// # Index
//
// Buckets of one cache line hold ten entries: a 16-bit tag of the key's hash and a 32-bit reference
// to the record. A key may lie in its home bucket or, when that is full, in one other, which the tag
// and either bucket determine; a bucket counts the entries that had to go elsewhere, so that a look-up
// goes to the other bucket only when there is something to find.
//
// # Timers
//
// There are no timer lists. Each record has a 16-bit tick beside it at which its session is worth a look; a
// sweep passes over these ticks about once a second, in sequence, two bytes a session. A session that was seen in
// the meantime is given a new tick. A wheel of index and generation entries was the alternative: it
// needs an entry for every shortened timeout too, of which a short TCP life leaves several behind,
// so that its memory is not bounded by the number of sessions.
//
// # Fragments
//
// Only the first fragment of a datagram has the ports by which a session is found. Fragments is a table beside the sessions
// that lets the others follow it: bounded in datagrams, in the gaps told apart within one, and in the fragments that may wait for their
// first. Bytes that come twice are never forwarded twice. It takes 132 bytes a datagram.
package conntrack
