package lab

import (
	"context"
	"sync"
	"time"
)

// A load is clients that ask a lab's web service all the time, each request on a new connection.
// They ask at an even pace, whatever becomes of their requests.
type load struct {
	client  *Client
	pace    time.Duration // between two requests
	mu      sync.Mutex    // guards now, and the tallies of all phases
	now     *phase
	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// A phase is the requests that began in one span of time, whenever they end.
type phase struct {
	Tally
	open sync.WaitGroup // requests that have not ended
}

// startLoad starts clients that send so many requests a second. The caller ends them by close.
func (l *Lab) startLoad(ctx context.Context, rate int, patience time.Duration) *load {
	ctx, stop := context.WithCancel(ctx)
	d := &load{
		client: l.NewClient(ClientConfig{Patience: patience}), pace: time.Second / time.Duration(rate),
		now: &phase{}, stop: stop,
	}
	d.stopped.Go(func() { d.run(ctx) })
	return d
}

func (d *load) run(ctx context.Context) {
	tick := time.NewTicker(d.pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.ask(ctx)
		}
	}
}

// ask sends a request, and does not wait for its answer.
func (d *load) ask(ctx context.Context) {
	d.mu.Lock()
	p := d.now
	p.Sent++
	p.open.Add(1)
	d.mu.Unlock()
	d.stopped.Go(func() {
		defer p.open.Done()
		_, err := d.client.Get(ctx)
		d.mu.Lock()
		defer d.mu.Unlock()
		p.count(err)
	})
}

// next begins a phase and returns it.
func (d *load) next() *phase {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = &phase{}
	return d.now
}

// ended returns the tally of a phase that another one has followed, once its requests have ended.
func (p *phase) ended() Tally {
	p.open.Wait()
	return p.Tally
}

func (d *load) close() {
	d.stop()
	d.stopped.Wait()
	d.client.Close()
}
