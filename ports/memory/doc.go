// Package memory offers the ports of package ports in pure Go, so that everything above them can
// be tested without a device, without root and under the race detector.
//
// Buffers come from a Pool outside the Go heap, as DPDK's do, and a Pool knows how many are out, so
// that a test sees every leak. The worker's side of a Port is its Queue; the test's side is
// Deliver, to a queue, or Receive, which spreads frames over the queues as a NIC does, and Collect. Both sides
// may be used at the same time.
package memory
