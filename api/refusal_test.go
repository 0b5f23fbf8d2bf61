package api

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"fulcrum/control"
)

// TestRefuseLast: a request may ask to be refused for the last available real server. Without that
// it is made, and its answer says what was lost.
func TestRefuseLast(t *testing.T) {
	d := serve(t, turningFile)
	one, other := ServerPath("dns", drainedServer), ServerPath("dns", otherServer)
	zero := 0
	change := control.RealServerChange{Weight: &zero}
	ask := func(method, path string, in, out any) error {
		return d.client.Do(t.Context(), method, path, in, out)
	}
	if err := ask(http.MethodPatch, one+"?refuse_last=true", change, nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, path string
		in           any
	}{
		{http.MethodPatch, other, change},
		{http.MethodDelete, other, nil},
		{http.MethodPost, other + "/drain", control.DrainRequest{}},
	} {
		err := ask(tt.method, tt.path+"?refuse_last=true", tt.in, nil)
		var p *Problem
		if !errors.Is(err, control.ErrLastServer) || !errors.As(err, &p) || p.Status != http.StatusConflict {
			t.Errorf("%s %s: %v", tt.method, tt.path, err)
		}
	}
	var got control.Drain
	if err := ask(http.MethodPost, other+"/drain", control.DrainRequest{}, &got); err != nil || got.Warning == "" {
		t.Errorf("%+v %v", got, err)
	}
	var plan control.Plan
	if err := ask(http.MethodPost, "rollback", nil, &plan); err != nil { // the drain is none of them
		t.Fatal(err)
	}
	plan = control.Plan{}
	err := ask(http.MethodPatch, one, change, &plan)
	if err != nil || !slices.Equal(plan.UnservedServices, []string{"dns"}) ||
		!slices.Equal(plan.UnservedVIPs, []string{"10.0.0.100"}) || len(plan.Warnings) != 2 {
		t.Errorf("%+v %v", plan, err)
	}
}
