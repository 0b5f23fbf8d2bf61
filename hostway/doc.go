// Package hostway carries frames between workers and the host: the kernel's stack, with its
// sockets, behind a TAP interface for each port.
//
// A worker and the host's side share a Link, which has one ring each way. Workers copy frames into
// and out of the rings and wait for nobody. The host's side is one thread for all workers and
// ports, the Pump: only it reads and writes the interfaces.
//
// An Interface is persistent: the kernel keeps it, with its addresses and routes, when the process
// ends in whatever way. The next one takes it over. Its stack gets no offloads, so the frames that
// the Pump reads have complete checksums and are not longer than the MTU.
package hostway
