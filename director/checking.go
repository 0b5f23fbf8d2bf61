package director

import (
	"context"
	"sync"
)

// checking is the part that makes the health checks. Without any it waits for some.
type checking struct {
	*Director
	stop context.CancelFunc
	done sync.WaitGroup
}

func (c *checking) Start() error {
	var ctx context.Context
	ctx, c.stop = context.WithCancel(context.Background())
	c.done.Go(func() { c.running.Check(ctx) })
	return nil
}

func (c *checking) Stop() error {
	c.stop()
	c.done.Wait()
	return nil
}
