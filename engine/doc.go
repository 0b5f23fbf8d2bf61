// Package engine is the core of the director. Workers take bursts of packets through a pipeline,
// on sessions, neighbours and counters of their own.
//
// # Parts
//
// A worker's turn (worker.go) receives a burst and takes it through the stages of pipeline.go:
// parse, hash and probe run over the whole burst, handle goes packet by packet.
//
//   - decide: a packet without session gets a decision, from its arrival alone: the service, the
//     real server, and the flow of the answers. Explain makes the same decision about a packet that
//     never came.
//   - passage: a packet of a session gets a passage: session, direction and next hop. flow,
//     fragment and icmperror rewrite and send packets along it.
//   - peers: each worker keeps a peer for each real server: its counters and its next hop.
//   - change: Apply and Change make a new snapshot of the configuration, which shares unchanged
//     parts with the old one. Workers adopt it at their next turn. The registry keeps what outlives
//     a snapshot: connection counts, pools and the ids of real servers.
//   - tohost, fromhost: at a port with a host interface, a packet that would end goes to the host
//     if it is the host's, and what the host sends leaves if the host may send it.
//   - view: what readers see of a service, so that Report and its like wait for no change.
//
// # Who may call
//
// Any goroutine may call the exported methods of Engine, with three exceptions: New comes first,
// Run runs once, and Close comes after Run has returned. Methods of Worker run on the worker's
// own thread. They take the time as an argument, never block, and do not allocate per packet.
// Control reaches a worker's own data by a letter in its mailbox.
//
// # Laws
//
// Conservation: for each worker, at the end of each turn,
//
//	received + originated + taken over + from host =
//		transmitted + consumed + to host + the sum of all drops + held + handed over
//
// Equivalence: a burst has the same result as its packets one by one, in order. Parsing and
// probing run ahead over the whole burst, but handle confirms what they found for each packet.
package engine
