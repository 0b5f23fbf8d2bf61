package engine

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDropReasonsAreDocumented compares docs/running.md with the table of verdicts.
func TestDropReasonsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/running.md")
	if err != nil {
		t.Fatal(err)
	}
	for v := Consumed + 1; v < NumVerdicts; v++ {
		row := fmt.Sprintf("| `%s` | %s |\n", v, v.Meaning())
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/running.md lacks the row\n%s", row)
		}
	}
}
