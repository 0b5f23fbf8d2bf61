// Package hostway carries frames between workers and the host: the kernel's stack, with its
// sockets, behind a TAP interface for each port.
//
// A worker and the host's side share a Link, which has one ring each way. Workers copy frames into
// and out of the rings and wait for nobody. The host's side is one thread for all workers and ports:
// only it reads and writes the interfaces.
package hostway
