// Package ports is what the director knows of network devices: bursts of packets that come from
// and go to queues, and the attributes of the ports that the queues belong to.
//
// Two implementations exist: ports/dpdk drives real devices and is the only cgo in the tree,
// ports/memory is pure Go and connects tests. Nothing outside ports knows which one it is
// talking to, nor that DPDK exists.
//
// A Queue and the Bursts passed to it belong to one worker; Shared lends a queue to several. Port attributes and
// statistics may be read by anyone. A packet may be sent or freed through any queue of any port of its kind.
//
// Split makes several ports of one device, each of a VLAN. A port that has its device for itself and no tags is not split, and
// pays nothing.
//
// An RSS tells in software which queue a device will choose for a packet: the owner of a flow that has not been seen yet,
// or of an answer that has yet to come.
package ports
