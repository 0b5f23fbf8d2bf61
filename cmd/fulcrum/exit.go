package main

import "fmt"

// exitError ends the program with an exit status of its own. If err is nil, everything has been
// printed already.
type exitError struct {
	code int
	err  error // main prints it; may be nil
}

// Error returns the text of err, or the exit status.
func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

// Unwrap returns err.
func (e *exitError) Unwrap() error { return e.err }
