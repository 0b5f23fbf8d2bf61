// Package persist remembers which real server the clients of a persistent service go to. One
// template, as IPVS calls it, holds the choice for all clients of one network, or for one SIP call
// of theirs. Of a Call-ID only a keyed hash is kept (SipHash-2-4): strangers choose Call-IDs, and
// can neither make two collide nor have long ones remembered.
//
// A Table is the whole director's. Any goroutine may call its methods, but for Sweep, which has one
// caller at a time. Time comes in as an argument: milliseconds of a clock that workers share,
// modulo 2^32 and compared by signed difference. Nothing allocates.
//
// # When the table is touched
//
// A worker touches it when a session begins, when one ends, and when one gets past its handshake.
// Packets of established sessions never do. The table is divided into shards with a lock each, by a
// keyed hash of the network, so that workers seldom meet. A template takes 64 bytes, and 16 to 32
// for its places in the index, all in one mapping outside the Go heap. The kernel gives the pages
// when they are first used.
//
// # How long a template lives
//
// Each new session restarts the service's timeout. A template never ends before its last session:
// as in IPVS (ip_vs_conn_expire in net/netfilter/ipvs/ip_vs_conn.c), its end is put off by 60
// seconds again and again while sessions live under it. The table has no timers. When the last
// session ends, it computes to when they would have put off the end. Sweep frees what has ended; a
// look-up never finds it, freed or not.
//
// # A full table
//
// A template is confirmed once a session under it got past its handshake, or ended after more than
// one packet. A new template takes the place of the oldest that is not confirmed. If all are
// confirmed, there is no new template: the session goes on without one, and is counted. So packets
// of invented sources cannot end the templates of clients that were really there.
//
// IPVS's drop_entry ends templates before the table is full: of those that are neither confirmed
// nor have sessions, one of 32 in a second (dropentry.go).
package persist
