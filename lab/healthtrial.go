package lab

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// A HealthTrial is a lab with health checks in which one thing after the other happens to real
// servers, while clients send requests.
type HealthTrial struct {
	Lab     Config // Checks are set by Variant
	Variant HealthVariant
	// Events are the names of what happens, of Events. Those that the mode does not have are left out.
	Events []string
	// Rate is the number of requests a second.
	Rate int
	// Patience is how long a client waits for a connection and for an answer.
	Patience time.Duration
}

// HealthVariant is a way to watch real servers.
type HealthVariant struct {
	Name  string
	Lines []string // of the table [service.health], besides those of every variant
}

// HealthVariants returns the ways that the lab compares.
func HealthVariants() []HealthVariant {
	return []HealthVariant{
		{Name: "active"}, {Name: "active + passive", Lines: []string{"passive = true"}},
	}
}

// HealthResult is the outcome of a HealthTrial.
type HealthResult struct {
	Rows []HealthRow
	// Result has the mode, the report and the failures.
	Result
}

// HealthRow says what became of one event.
type HealthRow struct {
	Event, Variant string
	// Noticed is the time from the event until the real server was down. 0: nobody noticed.
	Noticed time.Duration
	// Until counts requests that began before the real server was down, or all until the event was
	// undone if nobody noticed. After counts those that began later, before the event was undone.
	Until, After Tally
	// Back is the time from the end of the event until the real server was up.
	Back time.Duration
	// Return counts requests that began after the event was undone, until a while after the real
	// server was up.
	Return Tally
	mode   string
	green  bool
}

// Times of a health trial.
const (
	afterwards  = time.Second      // for which clients are watched after a real server came back
	mostOfState = 20 * time.Second // for a change of state: far more than any takes
)

// Run builds the lab, has everything happen, judges the outcome and removes the lab. It writes its
// progress to the writer.
func (t HealthTrial) Run(ctx context.Context, progress io.Writer) HealthResult {
	r := HealthResult{Result: Result{Mode: t.Lab.Mode}}
	c := t.Lab
	checks := healthChecks
	checks.Lines = t.Variant.Lines
	c.Checks = &checks
	fmt.Fprintf(progress, "%s, %s: building namespaces, starting real servers\n", c.Mode, t.Variant.Name)
	l, err := New(ctx, c)
	if err != nil {
		r.fail(err)
		return r
	}
	t.drive(ctx, l, &r, progress)
	Trial{Lab: c}.finish(ctx, l, &r.Result)
	return r
}

// healthChecks are the checks of every health trial.
var healthChecks = Checks{
	Interval: 500 * time.Millisecond, Timeout: 300 * time.Millisecond, Fall: 3, Rise: 2,
}

// drive starts the director and the clients, has everything happen, and takes the director's
// report.
func (t HealthTrial) drive(ctx context.Context, l *Lab, r *HealthResult, progress io.Writer) {
	if err := l.StartDirector(ctx); err != nil {
		r.fail(err)
		return
	}
	if err := t.strike(ctx, l, r, progress); err != nil {
		r.fail(err)
		return
	}
	report, err := l.StopDirector()
	if err != nil {
		r.fail(err)
		return
	}
	r.Report = report
	r.fail(report.Conserved())
}

// strike has the events happen, each to another real server than the one before.
func (t HealthTrial) strike(ctx context.Context, l *Lab, r *HealthResult, progress io.Writer) error {
	clients := l.startLoad(ctx, t.Rate, t.Patience)
	defer clients.close()
	for i := range events {
		e := &events[i]
		if !e.fits(t.Lab.Mode) || !slices.Contains(t.Events, e.name) {
			continue
		}
		rs := l.plan.realServers[i%len(l.plan.realServers)]
		row, err := t.one(ctx, l, clients, e, rs)
		if err != nil {
			return err
		}
		fmt.Fprintf(progress, "  %-10s %s\n", e.name, row.noticed())
		r.judgeRow(&row)
		r.Rows = append(r.Rows, row)
	}
	return nil
}

// one has an event happen to a real server, undoes it, and waits until all is as before.
func (t HealthTrial) one(
	ctx context.Context, l *Lab, clients *load, e *event, rs RealServer,
) (row HealthRow, err error) {
	row = HealthRow{Event: e.name, Variant: t.Variant.Name, mode: t.Lab.Mode.String()}
	until, began := clients.next(), time.Now()
	if err := e.happen(l, rs); err != nil {
		return row, err
	}
	if row.Noticed, err = t.awaitDown(ctx, l, e, rs, began); err != nil {
		return row, err
	}
	after := &phase{}
	if row.Noticed > 0 {
		after = clients.next()
	}
	if err := pause(ctx, t.Patience); err != nil { // so that nothing saves the requests that wait
		return row, err
	}
	back := clients.next()
	if err := e.undo(ctx, l, rs); err != nil {
		return row, err
	}
	if row.Back, err = l.awaitState(ctx, rs, false, time.Now(), mostOfState); err != nil {
		return row, err
	}
	if err := pause(ctx, afterwards); err != nil {
		return row, err
	}
	clients.next()
	row.Until, row.After, row.Return = until.ended(), after.ended(), back.ended()
	return row, nil
}

// awaitDown waits until an event is noticed, and returns how long that took. It is 0 for an event
// that checks need not notice, after twice the time in which they would.
func (t HealthTrial) awaitDown(
	ctx context.Context, l *Lab, e *event, rs RealServer, began time.Time,
) (time.Duration, error) {
	if !e.holdsVIP {
		return l.awaitState(ctx, rs, true, began, mostOfState)
	}
	took, err := l.awaitState(ctx, rs, true, began, 2*healthChecks.Bound())
	if err != nil && ctx.Err() == nil {
		return 0, nil
	}
	return took, err
}

// pause lets time pass.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// judgeRow expects that no request fails that begins while the real server is known to be down, or
// after the event.
func (r *HealthResult) judgeRow(row *HealthRow) {
	row.green = row.After.OK == row.After.Sent && row.Return.OK == row.Return.Sent
	if t := row.After; t.OK != t.Sent {
		r.failf("%s: %s requests failed although it was known; the first: %w", row.Event, t.failed(), t.First)
	}
	if t := row.Return; t.OK != t.Sent {
		r.failf("%s: %s requests failed after its end; the first: %w", row.Event, t.failed(), t.First)
	}
}
