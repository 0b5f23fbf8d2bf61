// Package modes is the four ways of forwarding: what each does to one packet of a session. A mode
// rewrites bytes and nothing else. It knows neither ports nor neighbours, and the caller writes the
// Ethernet header when it sends the packet.
//
//	dr       the packet stays as it is
//	nat      destination VIP -> real server; back: source real server -> VIP
//	fullnat  as nat, and source client -> local address; back the reverse
//	ipip     the packet travels inside another one, from the port's address to the real server
//
// All modes decrement the TTL, which must be 2 or more. Every function works on its arguments alone
// and may be called by anyone.
package modes
