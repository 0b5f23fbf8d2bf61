package api

import (
	"errors"
	"net/http"
	"testing"

	"fulcrum/control"
)

const (
	drainedServer = "10.0.0.11:53"
	otherServer   = "10.0.0.11:54"
)

// drain asks for a drain of a real server.
func (d *served) drain(server string, r control.DrainRequest) (got control.Drain) {
	d.Helper()
	path := ServerPath("dns", server) + "/drain"
	if err := d.client.Do(d.Context(), http.MethodPost, path, r, &got); err != nil {
		d.Fatal(err)
	}
	return got
}

// drained waits for the end of a drain.
func (d *served) drained(server string) (got control.Drain) {
	d.Helper()
	d.eventually("the end of the drain", func() bool {
		got = control.Drain{}
		path := ServerPath("dns", server) + "/drain"
		if err := d.client.Do(d.Context(), http.MethodGet, path, nil, &got); err != nil {
			d.Fatal(err)
		}
		return got.State != control.Draining
	})
	return got
}

func TestDrainEndsSessionsAtTheDeadline(t *testing.T) {
	d := serve(t, turningFile)
	d.turn()
	d.begin(300, "10.0.0.100:53")
	request := control.DrainRequest{DeadlineSeconds: 0.3, EndSessions: true, Remove: true}
	got := d.drain(drainedServer, request)
	if got.State != control.Draining || got.Left != 150 || got.SecondsLeft <= 0 {
		t.Errorf("%+v", got)
	}
	want := control.Drain{
		Service: "dns", RealServer: drainedServer, State: control.DrainOver,
		Left: 150, Ended: 150, Removed: true,
	}
	if got := d.drained(drainedServer); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if n := len(d.sessions("real_server", drainedServer)); n != 0 {
		t.Errorf("%d sessions of it are left", n)
	}
	if n := len(d.sessions("real_server", otherServer)); n != 150 {
		t.Errorf("%d sessions of the other, want 150", n)
	}
}

// TestDrainLeavesSessionsAlone drains without ending sessions. The real server keeps its sessions
// and gets no new ones.
func TestDrainLeavesSessionsAlone(t *testing.T) {
	d := serve(t, turningFile)
	d.turn()
	d.begin(10, "10.0.0.100:53")
	d.drain(drainedServer, control.DrainRequest{DeadlineSeconds: 0.1})
	got := d.drained(drainedServer)
	if got.State != control.DrainOver || got.Left != 5 || got.Ended != 0 || got.Removed {
		t.Errorf("%+v", got)
	}
	d.begin(20, "10.0.0.100:53") // ten of them new
	if n := len(d.sessions("real_server", drainedServer)); n != 5 {
		t.Errorf("%d sessions, want 5", n)
	}
}

func TestDrainWithoutSessions(t *testing.T) {
	d := serve(t, turningFile)
	d.drain(otherServer, control.DrainRequest{Remove: true})
	if got := d.drained(otherServer); got.State != control.Drained || !got.Removed {
		t.Errorf("%+v", got)
	}
	var all []control.Drain
	err := d.client.Do(t.Context(), http.MethodGet, "drains", nil, &all)
	if err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestDrainIsCancelled cancels drains by a request, by another weight, and by another drain.
func TestDrainIsCancelled(t *testing.T) {
	d := serve(t, turningFile)
	d.turn()
	d.begin(10, "10.0.0.100:53")
	path := ServerPath("dns", drainedServer)
	never := control.DrainRequest{DeadlineSeconds: 1000, EndSessions: true, Remove: true}
	d.drain(drainedServer, never)
	var got control.Drain
	err := d.client.Do(t.Context(), http.MethodDelete, path+"/drain", nil, &got)
	if err != nil || got.State != control.Cancelled {
		t.Errorf("%+v, %v", got, err)
	}
	d.drain(drainedServer, never)
	weight := 3
	change := control.RealServerChange{Weight: &weight}
	if err := d.client.Do(t.Context(), http.MethodPatch, path, change, nil); err != nil {
		t.Fatal(err)
	}
	if got := d.drained(drainedServer); got.State != control.Cancelled {
		t.Errorf("%+v", got)
	}
	d.drain(drainedServer, never)
	d.drain(drainedServer, control.DrainRequest{DeadlineSeconds: 0.1})
	if got := d.drained(drainedServer); got.State != control.DrainOver || got.Ended != 0 {
		t.Errorf("%+v", got)
	}
	if n := len(d.sessions()); n != 10 {
		t.Errorf("%d sessions, want all 10", n)
	}
}

func TestBadDrains(t *testing.T) {
	d := serve(t, turningFile)
	for _, tt := range []struct {
		server string
		body   control.DrainRequest
		status int
	}{
		{drainedServer, control.DrainRequest{EndSessions: true}, http.StatusUnprocessableEntity},
		{drainedServer, control.DrainRequest{DeadlineSeconds: -1}, http.StatusUnprocessableEntity},
		{"no real server", control.DrainRequest{}, http.StatusUnprocessableEntity},
		{"10.0.0.99:53", control.DrainRequest{}, http.StatusNotFound},
	} {
		path := ServerPath("dns", tt.server) + "/drain"
		err := d.client.Do(t.Context(), http.MethodPost, path, tt.body, nil)
		var p *Problem
		if !errors.As(err, &p) || p.Status != tt.status {
			t.Errorf("%+v: %+v, %v", tt, p, err)
		}
	}
	var p *Problem
	path := ServerPath("dns", drainedServer) + "/drain"
	err := d.client.Do(t.Context(), http.MethodGet, path, nil, nil)
	if !errors.As(err, &p) || p.Status != http.StatusNotFound {
		t.Errorf("a real server that is not drained: %v", err)
	}
}
