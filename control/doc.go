// Package control is the running director's outside: it turns a configuration into what the engine does, and what
// the engine did into reports. It may be used by anyone; it never touches a packet.
package control
