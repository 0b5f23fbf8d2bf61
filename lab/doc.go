// Package lab is the network-namespace test bed: clients, a router, the director and three real servers on veth
// pairs, prepared as each forwarding mode needs. `fulcrum lab` and the end-to-end tests stand on it.
//
// A Lab owns everything it makes: namespaces named fulcrum-ID-*, its children (real servers, director), the
// folder /run/fulcrum-lab/ID and the record /run/fulcrum-lab/ID.json. Nothing of it is visible in the root
// namespace, so any number of labs stand side by side. Close removes all of it; what a killed process could
// not close is found by its record (Sweep, Clean).
//
// The director's namespace holds the ends of its veth pairs and no address: the kernel stays silent there, and
// every answer that comes out of it is the director's own.
//
// Anyone may call this package; it needs root. A Lab's methods may be called by several goroutines, except
// those that start or stop the director and Close.
package lab
