// Package control holds the running configuration of a director. It turns a configuration into
// settings of the engine, plans and applies another one, edits services and drains real servers. It
// turns the engine's counters into reports and metrics.
//
// The package does not know HTTP: a bad request is a typed error, which package api maps to a
// status. Anyone may use it. It never touches a packet.
package control
