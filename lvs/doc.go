// Package lvs has the names and properties that the whole tree shares: forwarding modes,
// schedulers, protocols and session states, each in one table, and the identities of services and
// real servers. It moves no packet and reads no configuration. Anyone may use it.
//
// A package that has to know how a mode behaves asks for a property of it (Path, Source, TwoWay,
// Owner, FixedPort, OnLink, Reaches), never for its name. Only lvs and modes do that, and
// names_test.go at the root counts. The names that ipvsadm, keepalived and the configuration use
// for a mode, a protocol or a state are properties too.
//
// Values of an unknown name are invalid, so that dependent checks can tell: NoMode, and zero for a
// protocol.
package lvs
