package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"fulcrum/api"
	"fulcrum/control"
	"fulcrum/modes"
)

// reader is a client that asks the director for something while the director forwards.
type reader struct {
	name, path string
	every      time.Duration // from one request to the next; 0 is at once
}

// readers ask for much, and far more often than usual. Prometheus reads every 15 seconds.
var readers = []reader{
	{"scraped", "/metrics", 250 * time.Millisecond},
	{"listed", "/v1/sessions", 0},
}

// while has a reader ask the director on a link while f runs.
func (b *Bench) while(ctx context.Context, l Link, r reader, f func() error) error {
	reading, stop := context.WithCancel(ctx)
	var answered int
	var wrong error
	var asking sync.WaitGroup
	asking.Go(func() { answered, wrong = ask(reading, l, r) })
	err := f()
	stop()
	asking.Wait()
	if err == nil && wrong == nil && answered == 0 {
		wrong = errors.New("the director sent no answer")
	}
	if wrong != nil {
		wrong = fmt.Errorf("read %s: %w", r.path, wrong)
	}
	b.logf("  %s: %d bytes of answers", r.name, answered)
	return errors.Join(err, wrong)
}

// ask repeats the request until ctx ends, and returns the number of bytes of the answers.
func ask(ctx context.Context, l Link, r reader) (answered int, err error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", controlSocket(l))
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	defer client.CloseIdleConnections()
	for {
		n, err := askOnce(ctx, client, r.path)
		answered += n
		if err != nil && ctx.Err() == nil {
			return answered, err
		}
		select {
		case <-ctx.Done():
			return answered, nil
		case <-time.After(r.every):
		}
	}
}

func askOnce(ctx context.Context, client *http.Client, path string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://director"+path, nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %s", response.Status)
	}
	n, err := io.Copy(io.Discard, response.Body)
	return int(n), err
}

// turns returns the turns of the director's worker so far, counted by how long they took.
func (d *bed) turns(ctx context.Context) ([]control.TurnCount, error) {
	var workers []control.WorkerReport
	err := api.NewClient(controlSocket(d.link)).Do(ctx, http.MethodGet, "workers", nil, &workers)
	if err == nil && len(workers) != 1 {
		err = fmt.Errorf("%d workers answered", len(workers))
	}
	if err != nil {
		return nil, fmt.Errorf("ask for the worker's turns: %w", err)
	}
	return workers[0].TurnTimes, nil
}

// turnsFrom returns the number of turns, from before to after, that took as long as limit or
// longer. limit is one of the counts' limits, in µs.
func turnsFrom(limit int64, before, after []control.TurnCount) uint64 {
	sum := uint64(0)
	for i := range after {
		if below := after[i].BelowUs; below > limit || below == 0 {
			sum += after[i].Turns - before[i].Turns
		}
	}
	return sum
}

// beside runs f while another director, with a crowd of real servers and no traffic, runs on the
// generator's CPU. Reading it takes as much of that CPU as reading the director under test, but
// none of the subject's.
func (b *Bench) beside(ctx context.Context, m modes.Mode, f func(Link) error) error {
	folder, err := makeFolder()
	if err != nil {
		return fmt.Errorf("make a folder for the second director: %w", err)
	}
	defer os.RemoveAll(folder)
	l := Link{folder: folder}
	second := director{mode: m, sessions: thousand, device: "net_ring0", crowd: crowd, beside: true}
	p, err := second.start(ctx, b, l)
	if err == nil {
		err = f(l)
	}
	return errors.Join(err, p.stop())
}
