package main

import "fmt"

// exitError ends the program with an exit status of its own. If err is nil, everything has been
// printed already.
type exitError struct {
	code int
	err  error // main prints it; may be nil
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }
