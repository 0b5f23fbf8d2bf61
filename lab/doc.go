// Package lab is the network-namespace test bed: clients, a router, the director and real servers
// on veth pairs, prepared as each forwarding mode needs. Its configuration is its own, or a user's
// (File). `fulcrum lab` and the end-to-end tests use it.
//
// A Lab owns everything it makes: namespaces named fulcrum-ID-*, its children (real servers,
// director), the folder /run/fulcrum-lab/ID and the record /run/fulcrum-lab/ID.json. None of it is
// visible in the root namespace, so any number of labs stand side by side. Close removes all of it.
// The record of a killed process names what is left (Sweep, Clean).
//
// The director's namespace holds the ends of its veth pairs and no address. So the kernel stays
// silent there, and every answer that leaves the namespace is the director's own. With
// Config.Checks and without host interfaces it has one address, from which checks leave.
//
// Anyone may call this package; it needs root. Several goroutines may call a Lab's methods, except
// Close and those that start or stop the director.
package lab
