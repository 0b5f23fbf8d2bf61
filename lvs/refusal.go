package lvs

// Refusal says what the client hears of a packet that no real server can get. The zero value is
// what IPVS does.
type Refusal uint8

// The refusals.
const (
	RefuseByICMP   Refusal = iota // ICMP port unreachable
	RefuseByReset                 // a TCP reset for a SYN, and ICMP for all else
	RefuseSilently                // nothing
	numRefusals
)

// refusals has the names of refusals.
var refusals = [numRefusals]string{
	RefuseByICMP: "icmp", RefuseByReset: "reset", RefuseSilently: "drop",
}

// Refusals returns all refusals.
func Refusals() []Refusal { return []Refusal{RefuseByICMP, RefuseByReset, RefuseSilently} }

// String returns the refusal's name in the configuration.
func (r Refusal) String() string { return refusals[r] }

// ParseRefusal returns the refusal with a name, or RefuseByICMP and false.
func ParseRefusal(name string) (Refusal, bool) {
	for r, known := range refusals {
		if known == name {
			return Refusal(r), true
		}
	}
	return RefuseByICMP, false
}
