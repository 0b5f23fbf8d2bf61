package ports

// Spread says which ends of a flow choose the queue of its packets.
type Spread uint8

// Spreads.
const (
	SpreadFlow        Spread = iota // addresses and ports of both ends
	SpreadSource                    // source address and port only
	SpreadDestination               // destination address and port only
)

// String returns "flow", "source" or "destination".
func (s Spread) String() string {
	return [...]string{"flow", "source", "destination"}[s]
}

// Hashed says which fields of a packet are in the hash, among those of the ends that Spread names.
type Hashed uint8

// Sets of hashed fields.
const (
	HashedNothing   Hashed = iota // no hash: the packet goes to the queue of hash 0
	HashedAddresses               // addresses only
	HashedPorts                   // addresses and ports
)

// HashTypes say which fields are hashed for which packets. Devices differ.
type HashTypes struct {
	TCP4, UDP4 Hashed // TCP and UDP over IPv4, without fragments
	Other4     Hashed // all other IPv4 packets and fragments; never HashedPorts
	TCP6, UDP6 Hashed // TCP and UDP over IPv6, without fragments
	Other6     Hashed // all other IPv6 packets and fragments; never HashedPorts
}

// AllHashTypes are the hash types of a device that supports them all.
var AllHashTypes = HashTypes{
	TCP4: HashedPorts, UDP4: HashedPorts, Other4: HashedAddresses,
	TCP6: HashedPorts, UDP6: HashedPorts, Other6: HashedAddresses,
}
