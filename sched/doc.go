// Package sched chooses the real server of a new session, with the schedulers and the picks of the
// kernel's IPVS.
//
// A [Pool] is the real servers of one service. Its servers never change: a new weight, a new
// threshold or a real server that comes or goes is a new pool. [NewPool] builds it beside the one
// in use and changes nothing; [Pool.Publish] puts it into the service's atomic pointer, from which
// workers load it. Replacing a pool costs O(its real servers).
//
//	rr     the next available one after the last pick
//	wrr    as many picks each as its weight, the heavier ones more often in between
//	lc     the least overhead = 256*active + total sessions
//	wlc    the least overhead/weight; the first of equals
//	sed    the least (active+1)/weight; the first of equals
//	nq     the first without active sessions, else as sed
//	sh     by the client's address: 256 slots, dealt out in turns of weight slots
//	dh     by the VIP: 256 slots, dealt out in turns of one slot
//	mh     by the client's address: Maglev, 4093 slots; few clients move with a change
//	fo     the greatest weight; the first of equals
//	ovf    the greatest weight of those with active <= weight
//	twos   of two drawn at random by weight, the least overhead/weight
//	lblc   one for each VIP, by wlc; a new one when its active sessions exceed its weight
//	lblcr  as lblc, with a set for each VIP, which grows and shrinks
//
// Every list is walked in the kernel's order: IPVS puts a new real server at the HEAD of its list,
// so the last one of the file comes first. Ties go to it. A real server of weight 0 (drained) or
// overloaded is never picked, with one exception: lblc, as the kernel's, goes on with the real
// server that it remembers for a VIP beyond its upper threshold.
//
// sh, dh, mh and ovf may find no real server although some are available: where
// the kernel does not look further, neither does this package.
//
// # What outlives a pool
//
// Two things go on from pool to pool: each real server's [Load] (its live sessions), and the
// scheduler's place, which a pool takes over from the one before. Publish moves the place as the
// kernel would: rr goes on after the same real server, or after the one before it in the list if
// that was removed. wrr starts at the head again and keeps its weight level. A pool of the same
// real servers moves nothing; one of another kind starts anew.
//
// In the kernel a new service has no real server, and gets them one by one. wrr keeps the level of
// the first one, which is 1: it begins with one pick of each real server, and then goes down from
// the highest level. A service that changes to wrr gives it all real servers at once: it begins at
// the highest level.
//
// # Slow start
//
// A real server with a [Server.Share] gets that share of the new sessions by turns, which follow
// each other as evenly as can be (slowstart.go). The pool's scheduler picks among the others as if
// those in slow start were drained. Weights alone would not do: wlc sends every new
// session to an idle real server with a tenth of its weight, until it has a tenth of the others'
// sessions. Turns heed the load only to pass over a real server that has more to do than another.
// The end of a slow start is a new weight to rr and wrr: they go on from the others' round.
//
// # Workers
//
// A worker may pick from the pool before while the next one is published, and after. Both share the
// place, so any place is safe in any pool.
//
// # Who may call what
//
// NewPool and Publish are for control, one caller at a time per service. Everything else is for any
// number of workers at once. It takes no lock and allocates nothing, with two exceptions. lblc and
// lblcr take a lock of the service's, and allocate with every 64 VIPs that are new. A Load of a
// large pool takes a lock of that pool's when it changes (tournament.go); a pick does not.
//
// rr and wrr keep their one exact sequence across all workers of the director; schedulers that go
// by load see the sessions of all of them.
//
// # Adding a scheduler
//
//  1. Its name and rule: a row in lvs/scheduler.go, and the rule's line above; a test compares
//     the two.
//  2. A file named after it, with a type that implements the interface of scheduler.go (pick, peek,
//     follow) and a constructor. The constructor computes what depends on the real servers alone,
//     such as a hash table; it may be slow. What workers change, and what must outlive the pool,
//     goes behind a pointer that the constructor takes from the pool before. follow moves that when
//     the pool replaces another; it is empty where nothing is kept.
//  3. The constructor: a row of implementations in scheduler.go. If it picks the least of all real
//     servers, its measure: a row of measures in tournament.go.
//  4. Its rule in the slow model of kernel_test.go (pick, and changed if the list's edits move it).
//     property_test.go then compares pick for pick, and the other tests run over all kinds.
//     Sequences by hand go into TestPicksByHand.
package sched
