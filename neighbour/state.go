package neighbour

// State is how far the resolution of an entry has come.
type State uint8

// The states, with those of RFC 4861 (7.3.2 and appendix C). From Reachable on, the MAC is known.
const (
	Free       State = iota // the place belongs to no station
	Incomplete              // INCOMPLETE: asked for, no answer yet: packets wait
	Failed                  // it did not answer: packets are dropped until it is asked for again
	Reachable               // REACHABLE: it has answered a question
	Stale                   // STALE, and DELAY once a packet was sent there: it may have changed
	Probing                 // PROBE: it is being asked, and gets its packets meanwhile
	Static                  // its MAC was configured
)

// states is the table of states: their names, and what each means for a packet.
var states = [...]struct{ name, meaning string }{
	Free:       {"free", "unknown: it would be asked for, and the packet waits"},
	Incomplete: {"incomplete", "asked for: the packet waits for an answer"},
	Failed:     {"failed", "failed: no answer"},
	Reachable:  {"reachable", "reachable"},
	Stale:      {"stale", "stale: it is asked again once packets go there"},
	Probing:    {"probing", "being asked again"},
	Static:     {"static", "static"},
}

// String returns the state's name, as lists show it.
func (s State) String() string { return states[s].name }

// Meaning returns what the state means for a packet to that next hop.
func (s State) Meaning() string { return states[s].meaning }
