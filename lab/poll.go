package lab

import (
	"context"
	"fmt"
	"time"
)

// pollInterval is short compared with everything that a lab waits for.
const pollInterval = 5 * time.Millisecond

// poll calls a function until it returns true or an error, the context ends or the deadline passes.
func poll(ctx context.Context, deadline time.Duration, ask func() (bool, error), what string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, deadline, fmt.Errorf("not within %s", deadline))
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if yes, err := ask(); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
