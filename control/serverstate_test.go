package control

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"fulcrum/engine"
	"fulcrum/lvs"
)

// TestServerStates: the first state in the table's order that holds is the real server's.
func TestServerStates(t *testing.T) {
	all := engine.ServerSigns{Unresolved: true, Silent: true}
	silent := engine.ServerSigns{Silent: true}
	for _, tt := range []struct {
		rs   engine.RealServerReport
		want lvs.ServerState
	}{
		{engine.RealServerReport{Weight: 1}, lvs.ServerUp},
		{engine.RealServerReport{Weight: 1, Share: 1}, lvs.ServerSlowStart},
		{engine.RealServerReport{Weight: 1, Share: 10, Overloaded: true}, lvs.ServerOverloaded},
		{engine.RealServerReport{Weight: 1, Overloaded: true, ServerSigns: silent}, lvs.ServerSilent},
		{engine.RealServerReport{Overloaded: true, ServerSigns: silent}, lvs.ServerDraining},
		{engine.RealServerReport{Overloaded: true, ServerSigns: all}, lvs.ServerNoNeighbour},
	} {
		if got := stateOf(&tt.rs); got != tt.want {
			t.Errorf("%+v is %v, want %v", tt.rs, got, tt.want)
		}
	}
}

// TestServerStateTexts: draining and gone come with the sessions that are left. All UDP sessions
// count as established, as in a drain.
func TestServerStateTexts(t *testing.T) {
	rs := engine.RealServerReport{Active: 3, Inactive: 12, Share: 3}
	for _, tt := range []struct {
		protocol lvs.Protocol
		state    lvs.ServerState
		want     string
	}{
		{lvs.TCP, lvs.ServerUp, "up"},
		{lvs.TCP, lvs.ServerSlowStart, "slow start (30 %)"},
		{lvs.TCP, lvs.ServerNoNeighbour, "no neighbour"},
		{lvs.TCP, lvs.ServerSilent, "SYNs unanswered"},
		{lvs.TCP, lvs.ServerDraining, "draining (3 established, 12 closing)"},
		{lvs.UDP, lvs.ServerDraining, "draining (12 established, 0 closing)"},
		{lvs.SCTP, lvs.ServerGone, "gone (3 established, 12 closing)"},
	} {
		r := newServerReport(tt.protocol, &rs, tt.state)
		if got := r.StateText(); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.state, got, tt.want)
		}
	}
	if r := (RealServerReport{State: "asleep"}); r.StateText() != "asleep" || r.Trouble() != "asleep" {
		t.Error("the state of a newer director is not shown")
	}
}

// TestServerStatesAreDocumented compares the API's description and docs/control.md with the table.
func TestServerStatesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/control.md")
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	rest := string(page)
	for _, s := range lvs.ServerStates() {
		keys = append(keys, s.Key())
		row := "| " + s.String() + " | `" + s.Key() + "` | " + s.Meaning() + " |"
		_, after, found := strings.Cut(rest, row)
		if !found {
			t.Errorf("docs/control.md lacks, in this order, the row\n%s", row)
			continue
		}
		rest = after
	}
	field, _ := reflect.TypeFor[RealServerReport]().FieldByName("State")
	if got, want := field.Tag.Get("enum"), strings.Join(keys, ","); got != want {
		t.Errorf("the API has the states %s, want %s", got, want)
	}
}
