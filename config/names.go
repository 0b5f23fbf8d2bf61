package config

import "slices"

// choices are the words that a key may have: those that work, and those that are known but not supported yet.
type choices struct{ supported, planned []string }

var (
	modes      = choices{supported: []string{"dr", "nat", "fullnat", "ipip"}}
	protocols  = choices{supported: []string{"tcp", "udp", "sctp"}}
	schedulers = choices{
		supported: []string{"rr", "wrr", "lc", "wlc"},
		planned:   []string{"sed", "nq", "sh", "dh", "mh", "fo", "ovf", "twos", "lblc", "lblcr"},
	}
	idles     = choices{supported: []string{string(IdleBusy), string(IdleAdaptive)}}
	hugePages = choices{supported: []string{HugePagesAuto, HugePagesOn, HugePagesOff}}
	logLevels = choices{supported: []string{"debug", "info", "warn", "error"}}
)

// Modes lists the forwarding modes that a service may have.
func Modes() []string { return slices.Clone(modes.supported) }

// Schedulers lists the schedulers that a service may have.
func Schedulers() []string { return slices.Clone(schedulers.supported) }

// Protocols lists the protocols that a service may have.
func Protocols() []string { return slices.Clone(protocols.supported) }
