// Package ports is the director's view of network devices: bursts of packets, the queues that
// receive and send them, and the attributes of ports.
//
// There are two implementations. ports/dpdk drives real devices and is the only cgo in the tree;
// ports/memory is pure Go and serves tests. Packages outside ports do not depend on either.
//
// A Queue and the Bursts passed to it belong to one worker; Shared lends a queue to several. Port
// attributes and statistics may be read from any goroutine. A packet may be sent or freed through
// any queue of any port of its implementation.
//
// Split makes several ports of one device, one for each VLAN. A device that serves a single port
// without tags is not split and has no extra cost.
//
// A Late stands for a device that another process still uses: it has that port's Properties, and
// gets the device later. Drain empties the queues of ports before their first use.
//
// An RSS computes in software which queue a device will choose for a packet. That gives the worker
// of a flow that has not arrived yet, such as the answers of a real server.
package ports
