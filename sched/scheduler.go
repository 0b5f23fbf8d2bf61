package sched

// scheduler is the code of one kind. What it computes from the real servers belongs to one pool and
// does not change. What must outlive a pool is behind a pointer that all pools of the service
// share.
type scheduler interface {
	// pick returns the index of the real server for a new session, or -1. Workers call it at the
	// same time. A worker may still pick from the pool before, so what the two share must be valid
	// in both.
	pick(p *Pool, r Request) int

	// peek returns what pick would, and moves nothing.
	peek(p *Pool, r Request) int

	// follow moves what p shares with the pool before, as IPVS does when the list of real servers
	// changes. Publish calls it before workers see p, and only if the two pools have the same kind
	// and differ.
	follow(p, before *Pool)
}

// implementations has one row a scheduler: its constructor. It may be slow, and it changes nothing
// that before uses. p has its real servers and its rule. before is nil in a new service, and may be
// of another kind.
var implementations = [...]func(p, before *Pool) scheduler{
	RR:    newRR,
	WRR:   newWRR,
	LC:    newLC,
	WLC:   newWLC,
	SED:   newSED,
	NQ:    newNQ,
	SH:    newSH,
	DH:    newDH,
	MH:    newMH,
	FO:    newFO,
	OVF:   newOVF,
	TWOS:  newTwos,
	LBLC:  newLBLC,
	LBLCR: newLBLCR,
}
