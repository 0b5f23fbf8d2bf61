package lab

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDrawing compares drawings with the goldens. FULCRUM_UPDATE=1 writes them anew.
func TestDrawing(t *testing.T) {
	for _, mode := range Modes() {
		for arms := 1; arms <= 2; arms++ {
			c := Config{Mode: mode, Arms: arms, Weights: []int{1, 1, 1}}
			l := &Lab{config: c, plan: newPlan(c), record: &record{ID: "4711"}}
			golden := filepath.Join("testdata", mode.String()+[]string{"", "-one-arm", "-two-arm"}[arms]+".txt")
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
	}
}
