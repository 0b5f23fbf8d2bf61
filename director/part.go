package director

import (
	"errors"
	"slices"
)

// Part is a piece of the running program.
type Part interface {
	// Start returns nil once the part works. If it returns an error it has released everything.
	Start() error
	// Stop releases everything that Start acquired. It is called once after a successful Start.
	Stop() error
}

// sequence is a part made of other parts. Between its start and its stop, each may use the parts
// before it.
type sequence struct {
	parts   []Part
	started int           // how many parts were started
	stopped map[Part]bool // parts that were stopped before their turn
}

// Start starts the parts in order. If one fails, Start stops those before it.
func (s *sequence) Start() error {
	for _, p := range s.parts {
		if err := p.Start(); err != nil {
			return errors.Join(err, s.Stop())
		}
		s.started++
	}
	return nil
}

// Stop stops all started parts in reverse order and returns their errors.
func (s *sequence) Stop() (err error) {
	for _, p := range slices.Backward(s.parts[:s.started]) {
		err = errors.Join(err, s.stop(p))
	}
	s.started, s.stopped = 0, nil
	return err
}

// stop stops a started part, once.
func (s *sequence) stop(p Part) error {
	if s.stopped[p] {
		return nil
	}
	if s.stopped == nil {
		s.stopped = map[Part]bool{}
	}
	s.stopped[p] = true
	return p.Stop()
}
