package lab

import (
	"fmt"
	"slices"

	"fulcrum/lvs"
)

// Family is the family of a lab's addresses.
type Family string

// The families.
const (
	IPv4    Family = "ipv4"
	IPv6    Family = "ipv6"
	IPv6To4 Family = "ipv6-to-ipv4" // IPv6 clients, IPv4 real servers: fullnat over two arms
)

const families = "ipv4, ipv6 or ipv6-to-ipv4"

// Families returns all families.
func Families() []Family { return []Family{IPv4, IPv6, IPv6To4} }

// String returns the family's name.
func (f Family) String() string { return string(f) }

// ParseFamily returns the family with a name.
func ParseFamily(name string) (Family, error) {
	if f := Family(name); slices.Contains(Families(), f) {
		return f, nil
	}
	return "", fmt.Errorf("unknown family %q: choose %s", name, families)
}

// has6 reports whether hosts have IPv6 addresses.
func (f Family) has6() bool { return f == IPv6 || f == IPv6To4 }

func (c *Config) checkFamily() error {
	if _, err := ParseFamily(string(c.Family)); err != nil {
		return err
	}
	if c.Family == IPv6To4 && (!c.Mode.Mixed() || c.Arms != 2) {
		return fmt.Errorf("a lab of family %s needs mode %s and two arms", IPv6To4, IPv6To4.Modes()[0])
	}
	return nil
}

// Modes returns the modes that the family supports, in the order of the function Modes.
func (f Family) Modes() []lvs.Mode {
	if f == IPv6To4 {
		return lvs.ModesWith(lvs.Mode.Mixed)
	}
	return Modes()
}
