// Package adopt moves what the kernel has on one interface to another: addresses, routes, static
// neighbours and the reception of router advertisements. A port's host interface adopts so what the
// interface below the port has.
//
// All steps are planned before the first one (plan.go, which is pure). If a step fails, those
// before it are undone, the last one first. Entries are moved as the kernel has shown them
// (entry.go), so that flags, lifetimes, metrics and the like go with them.
package adopt
