package sched

import "fulcrum/lvs"

// Kind names a scheduler. Package lvs has the names and rules, implementations the code.
type Kind = lvs.Scheduler

// The schedulers.
const (
	RR    = lvs.RR
	WRR   = lvs.WRR
	LC    = lvs.LC
	WLC   = lvs.WLC
	SED   = lvs.SED
	NQ    = lvs.NQ
	SH    = lvs.SH
	DH    = lvs.DH
	MH    = lvs.MH
	FO    = lvs.FO
	OVF   = lvs.OVF
	TWOS  = lvs.TWOS
	LBLC  = lvs.LBLC
	LBLCR = lvs.LBLCR
)

// Rule is a scheduler with its options.
type Rule struct {
	Kind  Kind
	Flags lvs.SchedulerFlags // sh and mh only; ignored by all others
	Seed  uint64             // of twos's random numbers, when it begins anew; ignored by all others
}
