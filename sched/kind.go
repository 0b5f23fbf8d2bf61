package sched

import "fulcrum/lvs"

// Kind names a scheduler. Package lvs has the names and rules, implementations the code.
type Kind = lvs.Scheduler

// The schedulers.
const (
	RR  = lvs.RR
	WRR = lvs.WRR
	LC  = lvs.LC
	WLC = lvs.WLC
)
