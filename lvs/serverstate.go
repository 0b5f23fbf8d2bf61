package lvs

// ServerState is what is to be known of a real server at a glance. Several states may hold at the
// same time: the first of them in the order of the constants counts. What harms most sessions is
// first.
type ServerState uint8

// The states of a real server.
const (
	ServerGone ServerState = iota
	ServerDown
	ServerNoNeighbour
	ServerDraining
	ServerStandby
	ServerSilent
	ServerOverloaded
	ServerSlowStart
	ServerUp
	NumServerStates
)

// serverStates is the table of states: the text for people, the key in JSON and in metrics, and the
// meaning.
var serverStates = [NumServerStates]struct{ text, key, meaning string }{
	ServerGone: {"gone", "gone", "removed; it still has sessions, whose packets are dropped"},
	ServerDown: {"down", "down", "its health checks fail: no new sessions"},
	ServerNoNeighbour: {"no neighbour", "no_neighbour",
		"the MAC of its next hop is not known: it does not answer ARP or neighbour discovery"},
	ServerDraining: {"draining", "draining", "its weight is 0: no new sessions"},
	ServerStandby:  {"standby", "standby", "a sorry server whose service has its quorum"},
	ServerSilent: {"SYNs unanswered", "syns_unanswered",
		"nat and fullnat: no packet came from it since a SYN to which it gave no answer"},
	ServerOverloaded: {"overloaded", "overloaded",
		"it has reached its upper threshold: no new sessions until it falls below the lower one"},
	ServerSlowStart: {"slow start", "slow_start",
		"it came back or is new, and gets a part of its share of the new sessions (`slow_start`)"},
	ServerUp: {"up", "up", "none of the others"},
}

// ServerStates returns every state in the order in which they count.
func ServerStates() []ServerState { return upTo(NumServerStates) }

// String returns the state as people read it, such as "no neighbour".
func (s ServerState) String() string { return serverStates[s].text }

// Key returns the state as JSON and metrics have it, such as "no_neighbour".
func (s ServerState) Key() string { return serverStates[s].key }

// Meaning returns what the state says.
func (s ServerState) Meaning() string { return serverStates[s].meaning }

// ParseServerState returns the state with a key.
func ParseServerState(key string) (ServerState, bool) {
	for s := range serverStates {
		if serverStates[s].key == key {
			return ServerState(s), true
		}
	}
	return 0, false
}
