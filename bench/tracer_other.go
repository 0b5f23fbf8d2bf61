//go:build !amd64

package bench

import (
	"context"
	"errors"
	"os/exec"
)

// countTurns returns an error: the registers that the tracer reads are those of amd64.
func countTurns(context.Context, *exec.Cmd, *tally) error {
	return errors.New("counting instructions needs an amd64 machine")
}
