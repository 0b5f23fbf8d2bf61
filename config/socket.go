package config

import (
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
)

// DefaultControlMode is the mode of the control API's socket when the file gives none: its owner
// alone may connect.
const DefaultControlMode fs.FileMode = 0o600

// socketMode returns the mode of a unix socket: its owner may connect, and its group too or not.
// Connecting needs the right to write (unix(7)), so that no other mode means anything, but for one
// that opens the socket to all users of the machine.
func (v value) socketMode() fs.FileMode {
	const right = `write "0600" for the owner alone, or "0660" for the group of control_group too`
	text, ok := as[string](v, "a string", right)
	if !ok {
		return DefaultControlMode
	}
	mode, err := strconv.ParseUint(text, 8, 32)
	switch {
	case err != nil:
		v.reportf(right, "invalid mode %q", text)
	case mode&0o007 != 0:
		v.reportf(right, "%q lets every user of this machine control the director", text)
	case mode != 0o600 && mode != 0o660:
		v.reportf(right, "invalid mode %q of a socket", text)
	default:
		return fs.FileMode(mode)
	}
	return DefaultControlMode
}

// group returns the name or the number of a group of this machine.
func (v value) group() string {
	const right = "write the name of a group of this machine, or its number"
	name, ok := as[string](v, "a string", right)
	if !ok || name == "" {
		return ""
	}
	if _, err := GroupID(name); err != nil {
		v.report(err.Error(), right)
	}
	return name
}

// GroupID returns the number of a group that is given by its name or its number.
func GroupID(group string) (int, error) {
	if id, err := strconv.ParseUint(group, 10, 31); err == nil {
		return int(id), nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, fmt.Errorf("unknown group %q", group)
	}
	return strconv.Atoi(g.Gid)
}

// idleGroup returns a warning if the socket's group may not connect.
func (c *Config) idleGroup() []string {
	if c.Director.ControlGroup == "" || c.Director.ControlMode&0o060 == 0o060 {
		return nil
	}
	return []string{`director.control_group: the group cannot use the socket; ` +
		`set control_mode = "0660"`}
}
