package config

import (
	"path/filepath"
	"slices"
	"strings"
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

// TestRenderIsMinimal takes each key out of rendered files: that must be a mistake, or mean another
// value. The default of workers depends on the machine, so they are always written.
func TestRenderIsMinimal(t *testing.T) {
	for file, text := range inputs(t) {
		c := mustParse(t, text)
		lines := strings.SplitAfter(c.Render(), "\n")
		for i, line := range lines {
			if !strings.Contains(line, " = ") || strings.HasPrefix(line, "workers") {
				continue
			}
			without := strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "")
			if got, err := parse("f", without, onCPUs(0, 1)); err == nil && alike(got, c) {
				t.Errorf("%s: not needed: %s", file, line)
			}
		}
	}
}
