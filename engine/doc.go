// Package engine is the director's inside: workers that take bursts of packets through the pipeline, the
// snapshot of the configuration that they read, neighbours, and counters that account for every packet.
//
// An Engine is used by the control side: New, Apply, Run, Counters. Everything on Worker runs on the worker's
// own thread, takes the time as an argument, never blocks and does not allocate per packet.
//
// Conservation law: for each worker, at the end of each turn,
//
//	received + originated = transmitted + consumed + the sum of all drops + held
//
// Equivalence law: a burst has the same result as its packets one by one in order. Parsing and probing of
// the session table run over the whole burst ahead of time, but what they found is confirmed packet by packet
// in decide.
package engine
