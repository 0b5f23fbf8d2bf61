package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// A Drill has a lab's director end and start again while clients have long connections and flows
// of datagrams, and make new connections.
type Drill struct {
	Lab  Config // KeepSessions is set
	Kind DrillKind
	// Connections is the number of long connections, and of flows of datagrams.
	Connections int
}

// DrillKind says how the director ends.
type DrillKind string

// The ways in which a director ends in a drill.
const (
	DrillRestart DrillKind = "restart" // by SIGTERM
	DrillKill    DrillKind = "kill"    // by SIGKILL
	DrillUpgrade DrillKind = "upgrade" // in favour of its successor (fulcrum upgrade)
)

// The aims for the time without an answer to established connections: with one director after the
// other, and with a successor.
const (
	DarkAim    = time.Second
	UpgradeAim = 50 * time.Millisecond
)

// aim returns the aim of a kind.
func (k DrillKind) aim() time.Duration {
	if k == DrillUpgrade {
		return UpgradeAim
	}
	return DarkAim
}

// DrillResult is the outcome of a Drill.
type DrillResult struct {
	Result
	Kind DrillKind
	// TCP and UDP are the long connections and the flows; OK are those that went on.
	TCP, UDP Tally
	// Slowest is the longest time that a long connection waited for an answer, TCP's own waiting
	// before it sends again included; Dark the time without a director, as itself says it.
	Slowest, Dark time.Duration
	// New are requests on new connections, from before the end until after the start.
	New Tally
	// Line is what the director said of the sessions that it kept.
	Line string
}

// Times of a drill.
const (
	drillPause    = 20 * time.Millisecond // between two requests of a long connection
	drillWarmUp   = 500 * time.Millisecond
	drillPatience = 10 * time.Second
)

// Run builds the lab, does the drill, judges the outcome and removes the lab. It writes its
// progress to the writer.
func (d Drill) Run(ctx context.Context, progress io.Writer) DrillResult {
	r := DrillResult{Result: Result{Mode: d.Lab.Mode}, Kind: d.Kind}
	c := d.Lab
	c.KeepSessions = true
	fmt.Fprintf(progress, "%s, %s: building namespaces, starting real servers\n", c.Mode, d.Kind)
	l, err := New(ctx, c)
	if err != nil {
		r.fail(err)
		return r
	}
	if err := d.drive(ctx, l, &r); err != nil {
		r.fail(err)
	} else {
		r.judge()
	}
	Trial{Lab: c}.finish(ctx, l, &r.Result)
	return r
}

// drive starts the director and the clients, and has the director end and start.
func (d Drill) drive(ctx context.Context, l *Lab, r *DrillResult) error {
	if err := l.StartDirector(ctx); err != nil {
		return err
	}
	client := l.NewClient(ClientConfig{Patience: drillPatience})
	defer client.Close()
	crowd, err := newCrowd(ctx, client, d.Connections)
	if err != nil {
		return err
	}
	defer crowd.close()
	fresh := l.startLoad(ctx, 50, drillPatience)
	defer fresh.close()
	if r.New, err = d.interrupt(ctx, l, fresh); err != nil {
		return err
	}
	crowd.stop()
	r.TCP, r.UDP, r.Slowest = crowd.tcp, crowd.udp, crowd.slowest
	report, err := l.StopDirector()
	if err != nil {
		return err
	}
	r.Report = report
	r.note(report)
	return report.Conserved()
}

// interrupt has the director end and start again, and returns what became of new connections.
func (d Drill) interrupt(ctx context.Context, l *Lab, fresh *load) (Tally, error) {
	if err := pause(ctx, drillWarmUp); err != nil {
		return Tally{}, err
	}
	during := fresh.next()
	if err := errors.Join(d.replace(ctx, l), pause(ctx, drillWarmUp)); err != nil {
		return Tally{}, err
	}
	fresh.next()
	return during.ended(), nil
}

// replace puts another director in the place of the one that runs.
func (d Drill) replace(ctx context.Context, l *Lab) error {
	switch d.Kind {
	case DrillUpgrade:
		return l.UpgradeDirector(ctx)
	case DrillKill:
		if err := l.KillDirector(); err != nil {
			return err
		}
	default:
		if _, err := l.StopDirector(); err != nil {
			return err
		}
	}
	return l.StartDirector(ctx)
}

// note takes what the director says of the sessions that it kept.
func (r *DrillResult) note(report *Report) {
	k := report.Kept
	r.Dark = time.Duration(k.DarkMs) * time.Millisecond
	r.Line = fmt.Sprintf("%d of %d", k.Kept, k.Found)
}

// judge expects that nothing was lost. New connections may wait, but none may fail. The table says
// whether the aim for the dark time was met: on a busy machine that is no fault of the director.
func (r *DrillResult) judge() {
	r.judgeTally("long connections", r.TCP)
	r.judgeTally("flows of datagrams", r.UDP)
	r.judgeTally("new connections", r.New)
}

// A crowd is long connections and flows of datagrams, each of which asks every 20 ms.
type crowd struct {
	ctx    context.Context
	cancel context.CancelFunc
	asking sync.WaitGroup
	all    []*LongLived

	mu       sync.Mutex // guards the rest until stop returns
	tcp, udp Tally
	slowest  time.Duration
}

func newCrowd(ctx context.Context, client *Client, n int) (*crowd, error) {
	c := &crowd{}
	c.ctx, c.cancel = context.WithCancel(ctx)
	for range n {
		for _, open := range []func(context.Context) (*LongLived, error){client.Connect, client.Flow} {
			one, err := open(ctx)
			if err != nil {
				c.close()
				return nil, err
			}
			c.all = append(c.all, one)
			c.asking.Go(func() { c.ask(one) })
		}
	}
	return c, nil
}

// ask has a connection ask until the end. It is lost with its first error, and if another real
// server answers.
func (c *crowd) ask(one *LongLived) {
	var lost error
	var server string
	var slowest time.Duration
	for lost == nil && c.ctx.Err() == nil {
		began := time.Now()
		a, err := one.Ask()
		if lost = err; err == nil && server != "" && a.Name != server {
			lost = fmt.Errorf("%s answers a connection to %s", a.Name, server)
		}
		server, slowest = a.Name, max(slowest, time.Since(began))
		_ = pause(c.ctx, drillPause)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	tally := &c.udp
	if one.answers != nil {
		tally, c.slowest = &c.tcp, max(c.slowest, slowest)
	}
	tally.Sent++
	tally.count(lost)
}

// stop ends the asking once the last answers are there.
func (c *crowd) stop() {
	c.cancel()
	c.asking.Wait()
}

func (c *crowd) close() {
	c.stop()
	for _, one := range c.all {
		one.Close()
	}
}
