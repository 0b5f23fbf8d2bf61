package director

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVigil checks that allTurn is false while one worker is stuck, and that the log says once that
// it is stuck and once that it turns again.
func TestVigil(t *testing.T) {
	var said strings.Builder
	v := vigil{log: slog.New(slog.NewTextHandler(&said, nil))}
	var alive []bool
	for _, turns := range [][]uint64{{1, 1}, {5, 3}, {9, 3}, {12, 3}, {15, 4}, {15, 4}, {16, 5}} {
		alive = append(alive, v.allTurn(turns))
	}
	if diff := cmp.Diff([]bool{true, true, false, false, true, false, true}, alive); diff != "" {
		t.Errorf("alive (-want +got):\n%s", diff)
	}
	if got := strings.Count(said.String(), "\n"); got != 4 {
		t.Errorf("it said\n%s", said.String())
	}
}
