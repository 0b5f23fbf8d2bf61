package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
)

// A Trial is a lab and the traffic that it has to carry.
type Trial struct {
	Lab Config
	// Requests is the number of HTTP requests, each on a new connection. Concurrency is how many run
	// at a time.
	Requests, Concurrency int
	// Echoes is the number of UDP datagrams, each from a new socket.
	Echoes int
	// TransferBytes is the size of the upload and of the download.
	TransferBytes int64
}

// Run builds the lab, sends the traffic, judges the outcome and removes the lab. If the
// configuration lets the lab outlive this process, Run leaves it standing with a new director. Run
// writes its progress to the writer.
func (t Trial) Run(ctx context.Context, progress io.Writer) Result {
	r := Result{Mode: t.Lab.Mode}
	fmt.Fprintf(progress, "%s: building namespaces, starting real servers\n", t.Lab.Mode)
	l, err := New(ctx, t.Lab)
	if err != nil {
		r.fail(err)
		return r
	}
	fmt.Fprint(progress, l.Drawing())
	t.drive(ctx, l, &r, progress)
	t.finish(ctx, l, &r)
	return r
}

// drive starts the director, sends everything and takes the director's report.
func (t Trial) drive(ctx context.Context, l *Lab, r *Result, progress io.Writer) {
	if err := l.StartDirector(ctx); err != nil {
		r.fail(err)
		return
	}
	client := l.NewClient(ClientConfig{})
	defer client.Close()
	t.request(ctx, client, r, progress)
	t.echo(ctx, client, r, progress)
	if r.Requests.OK > 0 { // otherwise they would only wait for their deadline
		r.Upload = t.transfer(ctx, client.Upload, "upload", r, progress)
		r.Download = t.transfer(ctx, client.Download, "download", r, progress)
	}
	report, err := l.StopDirector()
	if err != nil {
		r.fail(err)
		return
	}
	r.Report = report
	r.judge(l)
}

// finish removes the lab, or keeps it. If the director never ran, the failure itself has the
// reason.
func (t Trial) finish(ctx context.Context, l *Lab, r *Result) {
	ran := r.Report != nil
	switch {
	case ctx.Err() != nil:
		r.Failures = []string{"interrupted"} // the interrupt caused all other failures
		r.fail(l.Close())
	case t.Lab.Outlive && ran:
		t.keep(ctx, l, r)
	default:
		if ran && !r.Green() {
			r.DirectorLog = l.Log(roleDirector)
		}
		r.fail(l.Close())
	}
}

func (t Trial) keep(ctx context.Context, l *Lab, r *Result) {
	if err := errors.Join(l.StartDirector(ctx), l.Keep()); err != nil {
		r.fail(errors.Join(err, l.Close()))
		return
	}
	r.Kept, r.Web = l.ID(), l.plan.web
}

// request records the spread and the client addresses of the answers.
func (t Trial) request(ctx context.Context, c *Client, r *Result, progress io.Writer) {
	r.Spread, r.Seen = map[string]int{}, map[netip.Addr]int{}
	r.Requests = t.repeat(ctx, t.Requests, c.Get, func(a Answer) {
		r.Spread[a.Name]++
		r.Seen[a.Client.Addr()]++
	})
	fmt.Fprintf(progress, "  http      %s\n", r.Requests)
}

func (t Trial) echo(ctx context.Context, c *Client, r *Result, progress io.Writer) {
	r.Echoes = t.repeat(ctx, t.Echoes, c.echoes, func(Answer) {})
	fmt.Fprintf(progress, "  udp       %s\n", r.Echoes)
}

// echoes sends a datagram, and compares its echo.
func (c *Client) echoes(ctx context.Context) (Answer, error) {
	answer, err := c.Echo(ctx, []byte("payload"))
	if err == nil && string(answer.Payload) != "payload" {
		err = fmt.Errorf("the echo from %s holds %q, which was not sent", answer.Name, answer.Payload)
	}
	return answer, err
}

// repeat sends n requests from several goroutines. It calls seen from one goroutine at a time.
// After a failure it sends nothing more: every request would take its whole deadline, and the trial
// has failed.
func (t Trial) repeat(ctx context.Context, n int, ask func(context.Context) (Answer, error), seen func(Answer)) Tally {
	var tally Tally
	var mu sync.Mutex // guards tally
	start := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return tally.begin(n)
	}
	end := func(answer Answer, err error) {
		mu.Lock()
		defer mu.Unlock()
		if tally.count(err) {
			seen(answer)
		}
	}
	var group sync.WaitGroup
	for range t.Concurrency {
		group.Go(func() {
			for start() {
				end(ask(ctx))
			}
		})
	}
	group.Wait()
	return tally
}

func (t Trial) transfer(ctx context.Context, run func(context.Context, int64) (Transfer, error), name string, r *Result, progress io.Writer) Transfer {
	ctx, cancel := context.WithTimeoutCause(ctx, transferDeadline,
		fmt.Errorf("not within %s", transferDeadline))
	defer cancel()
	transfer, err := run(ctx, t.TransferBytes)
	r.fail(err)
	fmt.Fprintf(progress, "  %-9s %s\n", name, transfer)
	return transfer
}
