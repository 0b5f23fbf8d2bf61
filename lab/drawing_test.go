package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fulcrum/lvs"
)

// TestDrawing compares drawings with the goldens. FULCRUM_UPDATE=1 writes them anew.
func TestDrawing(t *testing.T) {
	for _, mode := range Modes() {
		for arms := 1; arms <= 2; arms++ {
			name := mode.String() + []string{"", "-one-arm", "-two-arm"}[arms]
			checkDrawing(t, name, Config{Mode: mode, Arms: arms, Servers: 3})
		}
	}
	for _, n := range []int{1, 4, 7} {
		checkDrawing(t, fmt.Sprintf("dr-%d-servers", n), Config{Mode: lvs.DR, Arms: 2, Servers: n})
		checkDrawing(t, fmt.Sprintf("nat-%d-servers", n), Config{Mode: lvs.NAT, Arms: 2, Servers: n})
	}
}

func checkDrawing(t *testing.T, name string, c Config) {
	t.Helper()
	c.Weights = slices.Repeat([]int{1}, c.Servers)
	l := &Lab{config: c, plan: newPlan(c), record: &record{ID: "4711"}}
	golden := filepath.Join("testdata", name+".txt")
	if os.Getenv("FULCRUM_UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(l.Drawing()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), l.Drawing()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
}
