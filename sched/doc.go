// Package sched chooses the real server of a new session: rr, wrr, lc and wlc, with the picks of the kernel's IPVS.
//
// A [Pool] is built once per snapshot from a service's real servers and is immutable; what lives on from one snapshot
// to the next is the service's [State] (where round robin stands) and each real server's [Load] (its live sessions).
//
//	rr   the next available one after the last pick
//	wrr  as many picks each as its weight, the heavier ones more often in between
//	lc   the least overhead = 256*active + total sessions
//	wlc  the least overhead/weight; the first of equals
//
// Every list is walked in the kernel's order: IPVS puts a new real server at the HEAD of its list, so the last one of
// the file comes first, and ties go to it. A real server of weight 0 (drained) or overloaded is never picked.
// A pool that changes moves its State as the kernel would: rr goes on after the same real server (or the one before it
// in the list, if that was removed), wrr starts at the head again and keeps its weight level.
//
// Who may call what: NewPool is for control; Pick, Peek and the methods of Load are for any number of workers at once. They
// take no lock and allocate nothing. rr and wrr keep their one exact sequence across all workers of the director; lc and
// wlc see the sessions of all of them.
//
// A scheduler is one row of the table in kind.go and one pick function; names, parsing and descriptions come from the row.
package sched
