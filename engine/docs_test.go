package engine

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDropReasonsAreDocumented compares docs/drops.md with the table of verdicts.
func TestDropReasonsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/drops.md")
	if err != nil {
		t.Fatal(err)
	}
	for v := firstDrop; v < NumVerdicts; v++ {
		row := fmt.Sprintf("| `%s` | %s | %s |\n", v, v.Meaning(), v.Remedy())
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/drops.md lacks the row\n%s", row)
		}
	}
}
