package lab

import (
	"fmt"
	"strings"
)

// Mode is a forwarding mode by its configuration name.
type Mode string

// The four modes.
const (
	DR      Mode = "dr"
	IPIP    Mode = "ipip"
	NAT     Mode = "nat"
	FullNAT Mode = "fullnat"
)

// Modes lists the modes in the order of what they cost the director.
func Modes() []Mode { return []Mode{DR, IPIP, NAT, FullNAT} }

// ParseMode finds a mode by name.
func ParseMode(name string) (Mode, error) {
	var names []string
	for _, m := range Modes() {
		if string(m) == name {
			return m, nil
		}
		names = append(names, string(m))
	}
	return "", fmt.Errorf("there is no mode %q: choose one of %s", name, strings.Join(names, ", "))
}

// ThroughDirector says whether responses pass the director; in the other modes the real server answers the client
// straight, with the VIP as its source.
func (m Mode) ThroughDirector() bool { return m == NAT || m == FullNAT }
