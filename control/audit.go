package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Audit is one change that was made, as the log has it.
type Audit struct {
	Time     time.Time `json:"time"`
	Who      Actor     `json:"who"`
	Command  string    `json:"command" example:"apply /etc/fulcrum/fulcrum.toml"`
	Changes  []string  `json:"changes" doc:"the first ones, as a plan shows them"`
	More     int       `json:"more_changes"` // how many changes are not in Changes
	Sessions int       `json:"sessions"`     // those that the changes touched
	Revision string    `json:"revision"`     // since the change
}

const (
	auditMemory  = 256 // how many changes Audits returns at most
	auditChanges = 8   // how many steps of a change are listed
)

// audits are the last changes.
type audits struct {
	mu   sync.Mutex
	ring []Audit
	next int // where the next one goes once the ring is full
}

func (a *audits) add(entry Audit) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.ring) < auditMemory {
		a.ring = append(a.ring, entry)
		return
	}
	a.ring[a.next] = entry
	a.next = (a.next + 1) % auditMemory
}

// Audits returns the last changes, the oldest first: at most 256.
func (r *Running) Audits() []Audit {
	a := &r.audited
	a.mu.Lock()
	defer a.mu.Unlock()
	return append(slices.Clone(a.ring[a.next:]), a.ring[:a.next]...)
}

// task is a change that has its turn.
type task struct {
	who     Actor
	command string
	// refuseLast: the change is refused if a service or VIP loses its last available real server.
	refuseLast bool
}

// begin waits for the turn of a change and notes who makes it. The caller ends the turn.
func (r *Running) begin(ctx context.Context, command string) error {
	if err := r.turn.Begin(ctx); err != nil {
		return err
	}
	r.task = task{ActorOf(ctx), command, refusesLast(ctx)}
	return nil
}

// audit logs a change that was made. The caller has the turn.
func (r *Running) audit(p *Plan) {
	if p.Empty() {
		return
	}
	entry := Audit{
		Who: r.task.who, Command: r.task.command, More: max(len(p.Changes)-auditChanges, 0),
	}
	for _, c := range p.Changes {
		entry.Sessions += c.Sessions
	}
	for _, c := range p.Changes[:len(p.Changes)-entry.More] {
		entry.Changes = append(entry.Changes, c.String())
	}
	r.record(entry)
}

// record logs an entry, to which it adds time and revision.
func (r *Running) record(entry Audit) {
	r.mu.Lock()
	entry.Time, entry.Revision = time.Now(), r.name()
	r.mu.Unlock()
	r.audited.add(entry)
	if r.Log != nil {
		r.Log.Info("change", "who", entry.Who, "command", entry.Command, "what", entry.what(),
			"sessions", entry.Sessions, "revision", entry.Revision)
	}
}

// logDropped logs the first overrides that a file has dropped: a reload has no answer that shows
// its plan.
// Those that the file has now are not lost.
func (r *Running) logDropped(all []Override) {
	lost := slices.DeleteFunc(slices.Clone(all), func(o Override) bool { return o.Reason == sameNow })
	if r.Log == nil || len(lost) == 0 {
		return
	}
	for _, o := range lost[:min(len(lost), auditChanges)] {
		r.Log.Warn("an override was dropped", "override", o.String(), "reason", o.Reason)
	}
	if more := len(lost) - auditChanges; more > 0 {
		r.Log.Warn("more overrides were dropped", "overrides", more)
	}
}

// what returns the changes in one line.
func (a *Audit) what() string {
	text := strings.Join(a.Changes, "; ")
	if a.More > 0 {
		text += fmt.Sprintf("; and %d more", a.More)
	}
	return text
}

// String returns the change as in "~ real server 10.1.0.11:80 of web weight 1 -> 5".
func (c *Change) String() string {
	signs := map[Action]string{Add: "+", Remove: "-", Alter: "~"}
	return strings.TrimRight(signs[c.Action]+" "+c.Object+" "+c.Detail, " ")
}
