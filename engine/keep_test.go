package engine

import (
	"context"
	"testing"

	"fulcrum/modes"
)

// TestKeepWhileRunning: running workers are asked for old sessions until the last has ended; then
// nothing is kept for them.
func TestKeepWhileRunning(t *testing.T) {
	s := twoArm
	v := s.echo(modes.FullNAT, 2)
	b := newSilentBed(t, s, s.serving(v), crowd(2), anywhereIn(2))
	stop := b.start()
	const n = 100
	for i := range n {
		b.deliver(0, udp(clientAt(i), echoVIP, "?").frame(s.gateway.mac, s.ports[0].mac))
	}
	b.await("sessions", func() bool { return b.engine.Report().Sessions == n })
	w := v
	w.Mode, w.LocalAddresses = modes.NAT, nil
	if err := b.engine.Apply(s.serving(w)); err != nil {
		t.Fatal(err)
	}
	kept := func() (sessions int) {
		for _, r := range b.engine.RetiredLocals() {
			sessions += r.Sessions
		}
		return sessions
	}
	b.await("retirement of all sessions' addresses", func() bool { return kept() == n })
	if !b.engine.snap.Load().moving {
		t.Error("no session is thought to be at a former owner")
	}
	for i := range v.RealServers {
		if _, err := b.engine.EndSessions(context.Background(), v.serverID(i)); err != nil {
			t.Fatal(err)
		}
	}
	b.await("the end of all that was kept", func() bool {
		return len(b.engine.RetiredLocals()) == 0 && !b.engine.snap.Load().moving
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
