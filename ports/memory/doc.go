// Package memory implements the interfaces of package ports in pure Go. Packages above can be
// tested with it without a device, without root and under the race detector.
//
// Buffers come from a Pool outside the Go heap, like DPDK's. A Pool counts the buffers in use, so
// a test notices every leak. A worker uses a Port through its Queues. A test uses the other side:
// Deliver puts a frame on a queue, Receive spreads frames over the queues as a NIC does, and
// Collect takes the sent frames. Both sides may be used at the same time.
package memory
