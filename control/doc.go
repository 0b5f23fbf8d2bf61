// Package control is the running configuration of a director: it turns a configuration into what
// the engine does, plans and applies another one, edits and drains, and turns what the engine did
// into reports and metrics. It knows no HTTP: what is wrong with a request is a typed error, which
// api gives a status. It may be used by anyone; it never touches a packet.
package control
