package lab

import (
	"fmt"
	"strings"

	"fulcrum/lvs"
)

// Modes lists the modes in the order of what they cost the director.
func Modes() []lvs.Mode { return lvs.ModesByCost() }

// ParseMode finds a mode by name.
func ParseMode(name string) (lvs.Mode, error) {
	if m, ok := lvs.ParseMode(name); ok {
		return m, nil
	}
	var names []string
	for _, m := range Modes() {
		names = append(names, m.String())
	}
	return lvs.NoMode, fmt.Errorf("there is no mode %q: choose one of %s",
		name, strings.Join(names, ", "))
}
