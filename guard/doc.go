// Package guard hides from the kernel what belongs to the director, on interfaces that both read.
//
// A packet socket gets copies: the kernel goes on to handle every packet that the director gets. On
// a host that forwards packets, or that has an address of the director, it answers too: redirects,
// unreachables, resets, and packets of real servers that reach the client a second time. A Guard
// attaches a BPF program to the ingress hook of an interface (tcx, or a clsact filter on kernels
// before 6.6). That hook comes after packet sockets have got their copies, so the program drops for
// the kernel alone.
//
// The program passes what is the host's. An interface may also be deaf: then its kernel gets
// nothing, because what is the host's comes by another interface. Claims (claims.go) say what is
// whose, judge.go has the rules. Only the control side uses this package, and a Guard is safe for
// concurrent use. Nothing of it runs in a worker.
package guard
