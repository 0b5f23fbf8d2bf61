// Package modes is the four ways of forwarding: what each does to one packet of a session. A mode
// rewrites bytes and nothing else: it knows neither ports nor neighbours, and the Ethernet header is
// written by whoever sends the packet.
//
//	dr       the packet stays as it is
//	nat      destination VIP -> real server; back: source real server -> VIP
//	fullnat  as nat, and source client -> local address; back the reverse
//	ipip     the packet travels inside another one, from the port's address to the real server
//
// All of them decrement the TTL, which the caller has found to be 2 or more. Every function is pure and
// may be called by anyone.
package modes
