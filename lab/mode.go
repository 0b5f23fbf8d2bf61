package lab

import (
	"fmt"
	"strings"

	"fulcrum/lvs"
)

// Modes returns the modes in the order of their cost for the director.
func Modes() []lvs.Mode { return lvs.ModesByCost() }

// ParseMode returns the mode with a name.
func ParseMode(name string) (lvs.Mode, error) {
	if m, ok := lvs.ParseMode(name); ok {
		return m, nil
	}
	var names []string
	for _, m := range Modes() {
		names = append(names, m.String())
	}
	return lvs.NoMode, fmt.Errorf("unknown mode %q: choose one of %s",
		name, strings.Join(names, ", "))
}
