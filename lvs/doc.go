// Package lvs has the names and properties that the whole tree shares: forwarding modes, schedulers, protocols and session
// states, each in one table, and the identities of services and real servers. It moves no packet and reads no
// configuration; anyone may use it.
//
// A package that has to know how a mode behaves asks for a property of it (Path, Source, TwoWay, Owner, FixedPort, OnLink),
// never for its name: only lvs and modes do that, and a test counts.
package lvs
