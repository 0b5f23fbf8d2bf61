package director

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fulcrum/control"
)

// TestStateOutlivesTheDirector changes a weight live. The next director with the folder has it.
func TestStateOutlivesTheDirector(t *testing.T) {
	keys := fmt.Sprintf("state = %q\n", t.TempDir())
	first := newBedOf(t, keys).start()
	weight := 7
	id := control.ServerID{Service: "dns", Server: "10.0.0.11:53"}
	if _, err := first.running.ChangeRealServer(context.Background(), id,
		control.RealServerChange{Weight: &weight}); err != nil {
		t.Fatal(err)
	}
	first.stop()
	second := newBedOf(t, keys).start()
	if got := second.Report().Services[0].RealServers[0].Weight; got != 7 {
		t.Errorf("weight %d, want 7", got)
	}
}

// TestStateThatCannotBeKept: the director starts, and says that it keeps nothing.
func TestStateThatCannotBeKept(t *testing.T) {
	inTheWay := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBedOf(t, fmt.Sprintf("state = %q\n", inTheWay)).start()
	if why := b.running.StateProblem(); !strings.Contains(why, "not a directory") {
		t.Errorf("the problem is %q", why)
	}
	if page := b.page(); !strings.Contains(page, "\nfulcrum_state_failed 1\n") {
		t.Error("the metrics do not say so")
	}
}

// TestStateForPrograms: a director whose services are those of programs says that it loses them, if
// nothing keeps them.
func TestStateForPrograms(t *testing.T) {
	ipvs := fmt.Sprintf("ipvs = %q\n", filepath.Join(t.TempDir(), "ipvs.sock"))
	b := newBedOf(t, ipvs).start()
	if why := b.running.StateProblem(); !strings.Contains(why, "set director.state") {
		t.Errorf("the problem is %q", why)
	}
	b.stop()
	kept := newBedOf(t, ipvs+fmt.Sprintf("state = %q\n", t.TempDir())).start()
	if why := kept.running.StateProblem(); why != "" {
		t.Errorf("the problem is %q", why)
	}
}
