package control

import (
	"context"
	"fmt"
	"time"

	"fulcrum/config"
	"fulcrum/health"
	"fulcrum/lvs"
)

// CheckReport is what the checks of a real server say.
type CheckReport struct {
	Check   string    `json:"check" example:"http, interval = \"1s\""`
	Up      bool      `json:"up"`
	Good    bool      `json:"good"`             // the latest result
	Reason  string    `json:"reason,omitempty"` // what the latest result saw, or why it is bad
	Latency float64   `json:"latency_ms"`       // of the latest result
	At      time.Time `json:"at,omitzero"`      // when it ended
	Streak  int       `json:"streak"`           // results in a row that speak against Up
	Needed  int       `json:"needed"`           // how many of them would change it
}

// addTo adds what the checks say to a report.
func (k *checks) addTo(r *Report, c *config.Config) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.services) == 0 {
		return
	}
	places := placesOf(r.Services, func(s ServiceReport) string { return s.Name })
	for i := range c.Services {
		s := &c.Services[i]
		if place, known := places[s.Name]; known && isChecked(s) {
			k.addToService(&r.Services[place], s)
		}
	}
}

func (k *checks) addToService(r *ServiceReport, s *config.Service) {
	r.Pool = k.pool(s)
	places := placesOf(r.RealServers, func(rs RealServerReport) string { return rs.Address })
	for _, rs := range s.RealServers {
		i, known := places[rs.Address.String()]
		if !known {
			continue
		}
		report := &r.RealServers[i]
		report.Passive = k.passiveReport(s, rs)
		if t, h, ok := k.checkOf(s, rs); ok {
			report.Health = k.report(t.ID, &h)
		}
		report.Why = whyDown(report, r.Pool)
	}
}

// whyDown returns why a real server is down, or "" if it is not.
func whyDown(rs *RealServerReport, pool *PoolReport) string {
	switch {
	case rs.State != lvs.ServerDown.Key():
		return ""
	case rs.Health != nil && !rs.Health.Up:
		return rs.Health.why()
	case rs.Passive != nil && rs.Passive.Down:
		return "passive: " + rs.Passive.Reason
	case pool.Gets == poolSorry:
		return quorumIsLost
	}
	return ""
}

// PoolReport says who gets the new sessions of a service with checks or sorry servers.
type PoolReport struct {
	Gets   string `json:"gets" enum:"healthy,sorry,panic"`
	Quorum bool   `json:"quorum"` // holds
}

const (
	poolHealthy = "healthy" // the real servers that are up
	poolSorry   = "sorry"   // the sorry servers
	poolPanic   = "panic"   // all real servers
)

var poolKeys = [...]string{
	health.Healthy: poolHealthy, health.Sorry: poolSorry, health.Panic: poolPanic,
}

// pool reports who gets the new sessions of a service.
func (k *checks) pool(s *config.Service) *PoolReport {
	choice, holds := k.chosen(s)
	return &PoolReport{poolKeys[choice], holds}
}

// chosen returns who gets the new sessions of a service now, and whether its quorum holds.
func (k *checks) chosen(s *config.Service) (health.Choice, bool) {
	state := k.services[s.ID()]
	if state == nil {
		state = &checked{}
	}
	return k.choose(s, state)
}

const quorumIsLost = "the quorum is lost"

// Text says who gets new sessions in place of the real servers that are up, or that the quorum is
// lost. It is empty if neither is so.
func (p *PoolReport) Text() string {
	switch {
	case p == nil:
		return ""
	case p.Gets == poolSorry:
		return quorumIsLost + ": sorry servers get new sessions"
	case p.Gets == poolPanic:
		return "too few real servers are up: all get new sessions (panic)"
	case !p.Quorum:
		return quorumIsLost
	}
	return ""
}

// report returns what is known of a check.
func (k *checks) report(id health.ID, h *config.Health) *CheckReport {
	standing := k.watch.Standing(id, k.now())
	r := &CheckReport{
		Check: checkText(*h), Up: standing.Up, Streak: standing.Streak, Needed: standing.Needed,
	}
	if last, known := k.watch.Latest(id); known {
		r.Good, r.Reason, r.At = last.Good, printable(last.Reason), last.Ended
		r.Latency = milliseconds(last.Latency())
	}
	return r
}

// why returns why a real server is down by its check: what the latest result says, or how many of
// the good results that it takes there were.
func (r *CheckReport) why() string {
	switch {
	case r.At.IsZero():
		return "not checked yet"
	case r.Good:
		return fmt.Sprintf("%d of %d good results", r.Streak, r.Needed)
	}
	return r.Reason
}

// Text returns the latest result as in "0.4 ms, status 200", or "" before the first one
// and without a check.
func (r *CheckReport) Text() string {
	if r == nil || r.At.IsZero() {
		return ""
	}
	text := fmt.Sprintf("%.1f ms, ", r.Latency)
	if !r.Good {
		text += "bad: "
	}
	return text + short(r.Reason)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Trial is a check that was made on request, and what is known of its real server.
type Trial struct {
	Service    string      `json:"service"`
	RealServer string      `json:"real_server"`
	Check      string      `json:"check" example:"http, interval = \"1s\""`
	Target     string      `json:"target"` // the address and port that are checked
	Good       bool        `json:"good"`
	Reason     string      `json:"reason"` // what was seen, or why it is bad
	Steps      []TrialStep `json:"steps"`
	PastChecks
}

// PastChecks are what the director's own checks of a real server say.
type PastChecks struct {
	Up     bool        `json:"up"`
	Streak int         `json:"streak"` // results in a row that speak against that
	Needed int         `json:"needed"` // how many of them would change it
	Last   []PastCheck `json:"last"`   // at most 16, the latest first
}

// TrialStep is a part of a check.
type TrialStep struct {
	Name string  `json:"name" example:"connect"`
	Took float64 `json:"took_ms"`
	Saw  string  `json:"saw,omitempty"`
}

// PastCheck is the result of a check.
type PastCheck struct {
	At      time.Time `json:"at"`
	Good    bool      `json:"good"`
	Latency float64   `json:"latency_ms"`
	Reason  string    `json:"reason"`
}

// TryCheck makes the check of a real server now, and returns each step. It changes nothing: the
// director's own checks decide.
func (r *Running) TryCheck(ctx context.Context, id ServerID) (Trial, error) {
	s, rs, err := r.checkedServer(id)
	if err != nil {
		return Trial{}, err
	}
	target, h, _ := r.checks.checkOf(&s, rs)
	check, wrong := h.Check()
	if wrong != nil {
		return Trial{}, wrong
	}
	limited, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	out := r.checks.try(limited, check, targetOf(&target, &h))
	t := Trial{
		Service: s.Name, RealServer: rs.Address.String(), Check: checkText(h), Target: target.ID.Server.String(),
		Good: out.Good, Reason: printable(out.Reason), Steps: []TrialStep{},
	}
	for _, step := range out.Steps {
		t.Steps = append(t.Steps, TrialStep{step.Name, milliseconds(step.Took), printable(step.Saw)})
	}
	t.PastChecks = r.checks.past(target.ID)
	return t, nil
}

// PastChecks returns what the director's own checks of a real server say, and makes none.
func (r *Running) PastChecks(id ServerID) (PastChecks, error) {
	s, rs, err := r.checkedServer(id)
	if err != nil {
		return PastChecks{}, err
	}
	target, _, _ := r.checks.checkOf(&s, rs)
	return r.checks.past(target.ID), nil
}

// checkedServer returns a real server that has a check, and its service.
func (r *Running) checkedServer(id ServerID) (s config.Service, rs config.RealServer, err error) {
	if s, err = r.Service(id.Service); err != nil {
		return s, rs, err
	}
	i, err := findServer(&s, id.Server)
	if err != nil {
		return s, rs, err
	}
	rs = s.RealServers[i]
	if _, _, ok := r.checks.checkOf(&s, rs); !ok {
		err = NotFoundError(fmt.Sprintf("real server %s of %s has no health check", rs.Address, s.Name))
	}
	return s, rs, err
}

// past returns what is known of a check.
func (k *checks) past(id health.ID) PastChecks {
	k.mu.Lock()
	defer k.mu.Unlock()
	status, _ := k.watch.Status(id, k.now())
	p := PastChecks{status.Up, status.Streak, status.Needed, []PastCheck{}}
	for _, last := range status.Last {
		p.Last = append(p.Last, PastCheck{
			last.Ended, last.Good, milliseconds(last.Latency()), printable(last.Reason),
		})
	}
	return p
}
