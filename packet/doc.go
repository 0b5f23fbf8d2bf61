// Package packet gives names to the bytes of a packet: a header is a byte slice with a type, its
// fields are methods. It parses without allocating, never trusts a length it has not checked, and
// computes Internet checksums in full (RFC 1071) and by difference (RFC 1624).
//
// Addresses and ports are host-order numbers (10.0.0.1 is 0x0a000001); the bytes they were read
// from are in network order. A view's getters and setters require that the slice holds the whole
// header: Parse makes sure of it, and whoever builds a view by hand must too.
//
// A [Hasher] hashes the keys of flows with a secret: sessions are found by it, and workers chosen.
//
// Everything here is pure and may be called by anyone.
package packet
