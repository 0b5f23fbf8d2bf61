package sched

import "fulcrum/lvs"

// Kind names a scheduler. Names and rules stand in package lvs, what each does in implementations.
type Kind = lvs.Scheduler

// The schedulers.
const (
	RR  = lvs.RR
	WRR = lvs.WRR
	LC  = lvs.LC
	WLC = lvs.WLC
)
