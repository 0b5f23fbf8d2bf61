package director

import (
	"errors"
	"slices"
)

// Part is a piece of the running program.
type Part interface {
	// Start returns once the part works, or with an error when it has left nothing behind.
	Start() error
	// Stop gives back everything that Start took. It is called once after a Start without an error.
	Stop() error
}

// sequence is a part made of others. Each may use those before it, from its own start to its own
// stop.
type sequence struct {
	parts   []Part
	started int // of parts
}

// Start starts the parts in order. If one fails, those before it are stopped.
func (s *sequence) Start() error {
	for _, p := range s.parts {
		if err := p.Start(); err != nil {
			return errors.Join(err, s.Stop())
		}
		s.started++
	}
	return nil
}

// Stop stops in reverse order what was started, all of it, and returns everything that went wrong.
func (s *sequence) Stop() (err error) {
	for _, p := range slices.Backward(s.parts[:s.started]) {
		err = errors.Join(err, p.Stop())
	}
	s.started = 0
	return err
}
