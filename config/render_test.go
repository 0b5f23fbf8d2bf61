package config

import (
	"path/filepath"
	"testing"
)

// TestRender checks that Parse returns the same configuration for the text of Render.
func TestRender(t *testing.T) {
	files, _ := filepath.Glob("../docs/examples/*.toml")
	files = append(files, "testdata/full.toml")
	if len(files) < 4 {
		t.Fatalf("only %v", files)
	}
	for _, file := range files {
		want := mustParse(t, readFile(t, file))
		same(t, mustParse(t, want.Render()), want)
	}
}
