// Package neighbour resolves next hops. It knows the stations on the networks of the director's
// ports and asks for them by ARP or neighbour discovery. Packets wait in it for an answer. It is a
// pure core: time and received messages are arguments; questions, answers and packets to send or to
// drop are results. The caller reads and writes frames.
//
// A [Table] belongs to one worker, and no two goroutines may call its methods at once. Workers tell
// each other what they learn through [News], which anyone may use.
//
// Invariants:
//
//   - A [Hop] names the same station until its place is forgotten. Then the entry's Generation is
//     raised, and the place may become another station's.
//   - An entry in use is found by its port and address, and no other entry has the same two. At
//     most 65,535 are in use.
//   - The gateways of the routes and the static entries are never forgotten. An entry that a real
//     server needs is not forgotten until [WantLapse] after the last [Table.Want]. Any other entry
//     gives way to them, but for those for which packets wait.
//   - A message from a station never changes a static entry. It gives an entry that has answered a
//     question another MAC only after that entry's MAC was asked and did not answer, or if the
//     message is the answer of the MAC that was there before.
//   - A [Hint] is used until its first question is answered, or not answered. It changes no entry
//     that is known. In a full table one that was never used gives way to any stranger.
//   - [Table.Held] is the number of packets in the queues. A packet that waits belongs to the table
//     until [Table.Take] gives it back.
//   - Among several workers, number 0 asks first. The others ask if they have not heard the answer
//     within a second.
//
// Nothing here allocates for a packet: only a new entry may, and a change of the topology.
//
// RFC 4861's DELAY is [Stale] with Used. What it says of the IsRouter flag is left out, because the
// director's routers are configured.
package neighbour
