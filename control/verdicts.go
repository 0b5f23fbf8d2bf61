package control

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"time"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/health"
	"fulcrum/lvs"
)

// followVerdicts has the pools follow the checks until ctx ends.
func (r *Running) followVerdicts(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.checks.judged:
		}
		pending := r.checks.takePending()
		for id := range pending {
			if err := r.followVerdict(ctx, id); err != nil {
				return // only because ctx has ended
			}
		}
		if r.keepVerdicts(ctx) != nil {
			return
		}
	}
}

// followVerdict has the pool of one service follow its checks.
func (r *Running) followVerdict(ctx context.Context, id lvs.ServiceID) error {
	if err := r.begin(ctx, "health check"); err != nil {
		return err
	}
	resets := r.changePool(ctx, id)
	r.ending.begin()
	r.turn.End()
	r.endSessions(ctx, resets, func(server lvs.RealServerID, err error) {
		r.warn([]string{fmt.Sprintf("end the sessions of %s: %v", server.Address, err)})
	})
	return nil
}

// changePool changes the pool of a service as its checks want it, and tells of it. It returns the
// real servers whose sessions are to end. The caller has the turn.
func (r *Running) changePool(ctx context.Context, id lvs.ServiceID) (resets []lvs.RealServerID) {
	place, known := r.places[r.checks.nameOf(id)]
	if !known || r.current.Services[place].ID() != id {
		return nil // removed meanwhile
	}
	s := &r.current.Services[place]
	came, beside := r.checks.returning(s)
	slow := r.slow.all[id].rejoin(s, came, beside, r.slow.now())
	e := r.engineService(r.current, s, slow)
	if err := r.engine.Change(engine.Change{Put: []engine.Service{e}}); err != nil {
		r.warn([]string{fmt.Sprintf("service %s cannot follow its health checks: %v", s.Name, err)})
		return nil
	}
	if len(came) > 0 {
		r.adoptSlow(id, slow)
	}
	changes, resets, quorum := r.checks.settle(s)
	for _, c := range changes {
		r.record(Audit{
			Who: r.task.who, Command: r.task.command, Changes: []string{c.text},
			Sessions: c.sessions(r.engine),
		})
	}
	if quorum != nil {
		before, done := r.checks.nextProgram(id)
		go func() {
			defer close(done)
			if before != nil {
				<-before
			}
			r.runQuorum(ctx, s.Name, *quorum)
		}()
	}
	return resets
}

// returning returns the real servers that are up again and the engine has as down, and whether
// others get sessions beside them.
func (k *checks) returning(s *config.Service) (came []netip.AddrPort, beside bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	state := k.services[s.ID()]
	for i := range s.RealServers {
		rs := &s.RealServers[i]
		up, _ := k.standing(s, *rs)
		switch {
		case !up || !takesSessions(rs):
		case state != nil && state.down[rs.Address]:
			came = append(came, rs.Address)
		default:
			beside = true
		}
	}
	return came, beside
}

// nameOf returns the name of a service that is checked, or "".
func (k *checks) nameOf(id lvs.ServiceID) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.services[id]; s != nil {
		return s.name
	}
	return ""
}

// verdict is a change that is told.
type verdict struct {
	text   string
	server lvs.RealServerID
}

func (v *verdict) sessions(e *engine.Engine) int {
	if v.server == (lvs.RealServerID{}) {
		return 0
	}
	return e.SessionsOf(v.server)
}

// settle notes what holds for a service now. It returns what is to be told, the real servers whose
// sessions end, and the program to run.
func (k *checks) settle(s *config.Service) (told []verdict, resets []lvs.RealServerID, quorum *config.Words) {
	k.mu.Lock()
	defer k.mu.Unlock()
	state := k.services[s.ID()]
	down := map[netip.AddrPort]bool{}
	for _, rs := range s.RealServers {
		up, _ := k.standing(s, rs)
		down[rs.Address] = !up
		if up == !state.down[rs.Address] {
			continue
		}
		told = append(told, verdict{k.describe(s, rs, up), s.ServerID(rs)})
		if !up && s.HealthOf(rs).OnFail == config.FailReset {
			resets = append(resets, s.ServerID(rs))
		}
	}
	state.down, state.passive = down, k.passivelyDown(s)
	choice, holds := k.choose(s, state)
	if holds == state.lost {
		quorum = &s.QuorumUp
		if !holds {
			quorum = &s.QuorumDown
		}
		told = append(told, verdict{text: quorumText(s, holds)})
	}
	if choice != state.choice {
		told = append(told, verdict{text: choiceTexts[choice] + s.Name})
	}
	state.lost, state.choice = !holds, choice
	return told, resets, quorum
}

func quorumText(s *config.Service, holds bool) string {
	if holds {
		return "quorum of " + s.Name + " regained"
	}
	return "quorum of " + s.Name + " lost"
}

var choiceTexts = [...]string{
	health.Healthy: "real servers that are up get the sessions of ",
	health.Sorry:   "sorry servers get the sessions of ",
	health.Panic:   "too few real servers are up: all get the sessions of ",
}

// describe says what has become of a real server, and why.
func (k *checks) describe(s *config.Service, rs config.RealServer, up bool) string {
	text := fmt.Sprintf("real server %s of %s is up", rs.Address, s.Name)
	if !up {
		text = fmt.Sprintf("real server %s of %s is down", rs.Address, s.Name)
	}
	if reason := k.passiveReason(s, rs, up); reason != "" {
		return text + ": " + reason
	}
	if t, _, ok := k.checkOf(s, rs); ok {
		if last, known := k.watch.Latest(t.ID); known {
			text += ": " + printable(last.Reason)
		}
	}
	return text
}

// nextProgram returns what is closed once the program before of a service's quorum has ended, or
// nil, and what the next one is to close: they run one after the other.
func (k *checks) nextProgram(id lvs.ServiceID) (before, done chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	state := k.services[id]
	before, done = state.told, make(chan struct{})
	state.told = done
	return before, done
}

// quorumLimit is how long a program may run that is told of a quorum.
const quorumLimit = 10 * time.Second

// runQuorum runs a program that is to know of a quorum, without a shell.
func (r *Running) runQuorum(ctx context.Context, service string, program config.Words) {
	command := program.List()
	if len(command) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), quorumLimit)
	defer cancel()
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SERVICE=" + service}
	c.Dir = "/"
	if err := c.Run(); err != nil {
		r.warn([]string{fmt.Sprintf("the program %s of the quorum of %s: %v", command[0], service, err)})
	}
}

// printable returns a text with escapes in place of what terminals take for commands.
func printable(text string) string {
	quoted := fmt.Sprintf("%q", text)
	return quoted[1 : len(quoted)-1]
}
