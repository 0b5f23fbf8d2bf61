// Package hostnet reads what the kernel has on host interfaces: addresses, routes and permanent
// neighbours. It tells when they change.
//
// The core is pure: decode.go turns messages of rtnetlink into facts, interfaces.go turns facts
// into what ports may follow, pace.go says when to look. Only watch.go and read.go talk to the
// kernel, in the network namespace of the calling thread. The messages themselves are only a hint
// that something has changed: the kernel does not tell of every route that goes with its address
// or interface, and drops messages when many come. What holds is read anew as a whole.
package hostnet
