// Package steer decides which worker owns a flow. It also says how devices should spread packets,
// so that the owner receives them. Both are here because the rule relies on the request: [Spreads]
// is the request before ports are opened, and [New] reads what the devices do.
//
// A [Steering] is asked only about packets for which the receiving worker has no session. It gives
// every worker the same answer, does not change, and may be used by anyone. The caller has already
// looked up what the packet is (from a client, from a real server, to a local address):
//
//   - A client's packet, in a mode whose flows belong to their receiver: the worker that received
//     it, if the device tells how it spreads packets. Where it does not, packets of a flow may come
//     to several workers: the kernel's fanout under net_af_packet goes to the next queue when one
//     is full. A port with fewer queues than workers leaves some of them without any. In both cases
//     a hash of the flow decides.
//   - A client's packet, or a real server's answer, in a mode whose flows belong to the client's
//     end: a hash of the client's address and port, which both directions carry. Where devices
//     spread packets by exactly that, the hash is theirs, and no packet is handed over.
//   - An answer to a local address: the worker that owns the local port, see [LocalOwner].
package steer
