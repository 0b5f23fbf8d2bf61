package ports

// Spread says which end of a flow decides on the queue that its packets reach.
type Spread uint8

const (
	SpreadFlow        Spread = iota // addresses and ports of both ends
	SpreadSource                    // source address and port only
	SpreadDestination               // destination address and port only
)

func (s Spread) String() string {
	return [...]string{"flow", "source", "destination"}[s]
}

// Hashed says what of a packet is in the hash, of the ends that Spread names.
type Hashed uint8

const (
	HashedNothing   Hashed = iota // no hash: the packet reaches the queue of hash 0
	HashedAddresses               //
	HashedPorts                   // addresses and ports
)

// HashTypes say what is in the hash of which packets: devices differ.
type HashTypes struct {
	TCP4, UDP4 Hashed
	Other4     Hashed // all other IPv4, fragments too; never ports
	TCP6, UDP6 Hashed
	Other6     Hashed // all other IPv6; never ports
}

// AllHashTypes is what a device does that can do everything.
var AllHashTypes = HashTypes{
	TCP4: HashedPorts, UDP4: HashedPorts, Other4: HashedAddresses,
	TCP6: HashedPorts, UDP6: HashedPorts, Other6: HashedAddresses,
}
