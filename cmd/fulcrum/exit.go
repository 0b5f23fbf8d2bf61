package main

import "fmt"

// exitError ends the program with an exit status of its own. Without err everything there is to say has been said.
type exitError struct {
	code int
	err  error // for main to print; may be nil
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }
