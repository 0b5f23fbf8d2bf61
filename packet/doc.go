// Package packet reads and writes packet headers. A header is a byte slice with a type, and its
// fields are methods. Parse allocates nothing and never trusts a length that it has not checked.
// The package computes Internet checksums in full (RFC 1071) and by difference (RFC 1624).
//
// Addresses and ports are host-order numbers (10.0.0.1 is 0x0a000001); the bytes of a packet are
// in network order. The getters and setters of a view require that the slice holds the whole
// header. Parse guarantees that for its offsets; other callers must check the length themselves.
//
// Everything here is pure and may be called from any goroutine.
package packet
