package control

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fulcrum/config"
	"fulcrum/health"
	"fulcrum/probe"
)

// CheckReport is what the checks of a real server say.
type CheckReport struct {
	Check   string    `json:"check" example:"http, interval = \"1s\""`
	Up      bool      `json:"up"`
	Reason  string    `json:"reason,omitempty"` // what the latest result saw, or why it is bad
	Latency float64   `json:"latency_ms"`       // of the latest result
	At      time.Time `json:"at,omitzero"`      // when it ended
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
	for _, rs := range s.RealServers {
		address := rs.Address.String()
		i := slices.IndexFunc(r.RealServers, func(o RealServerReport) bool { return o.Address == address })
		if i < 0 {
			continue
		}
		r.RealServers[i].Passive = k.passiveReport(s, rs)
		t, h, ok := checkOf(s, rs)
		if !ok {
			continue
		}
		report := &CheckReport{Check: checkText(h), Up: k.watch.Up(t.ID)}
		if last, known := k.watch.Latest(t.ID); known {
			report.Reason, report.At = printable(last.Reason), last.Ended
			report.Latency = milliseconds(last.Latency())
		}
		r.RealServers[i].Health = report
	}
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
	Up         bool        `json:"up"`     // by the director's own checks
	Streak     int         `json:"streak"` // results in a row that speak against that
	Needed     int         `json:"needed"` // how many of them would change it
	Last       []PastCheck `json:"last"`   // the director's own checks, the latest first
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
	s, err := r.Service(id.Service)
	if err != nil {
		return Trial{}, err
	}
	i, err := findServer(&s, id.Server)
	if err != nil {
		return Trial{}, err
	}
	rs := s.RealServers[i]
	target, h, ok := checkOf(&s, rs)
	if !ok {
		return Trial{}, NotFoundError(fmt.Sprintf("real server %s of %s has no health check", rs.Address, s.Name))
	}
	check, wrong := h.Check()
	if wrong != nil {
		return Trial{}, wrong
	}
	limited, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	out := r.checks.probe(limited, check, probe.Target{Address: target.ID.Server, Source: h.Source})
	t := Trial{
		Service: s.Name, RealServer: rs.Address.String(), Check: checkText(h), Target: target.ID.Server.String(),
		Good: out.Good, Reason: printable(out.Reason), Steps: []TrialStep{},
	}
	for _, step := range out.Steps {
		t.Steps = append(t.Steps, TrialStep{step.Name, milliseconds(step.Took), printable(step.Saw)})
	}
	r.checks.addStatus(&t, target.ID)
	return t, nil
}

// addStatus adds what is known of a real server.
func (k *checks) addStatus(t *Trial, id health.ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t.Last = []PastCheck{}
	status, _ := k.watch.Status(id, k.now())
	t.Up, t.Streak, t.Needed = status.Up, status.Streak, status.Needed
	for _, last := range status.Last {
		t.Last = append(t.Last, PastCheck{
			last.Ended, last.Good, milliseconds(last.Latency()), printable(last.Reason),
		})
	}
}
