// Package health decides which real servers are up: time and results of checks in, verdicts out. It
// opens no sockets and reads no clock; package probe does the checks.
//
// A Watch knows when each check is due, and turns results into verdicts by the rules of rise and
// fall. It doubts itself first: a check that was late because this process had no CPU, and a moment
// at which every check fails, are signs of a fault on this side. Choose says which real servers of
// a service get sessions, by its quorum, its sorry servers and its panic threshold.
//
// Nothing here is safe for concurrent use. All functions are for the control side.
package health
