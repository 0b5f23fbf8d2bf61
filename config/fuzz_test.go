package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// addSeeds seeds a fuzz test with every file of testdata and the examples of the documentation.
func addSeeds(f *testing.F) {
	for _, pattern := range []string{"testdata/*.toml", "testdata/*/*", "../docs/examples/*.toml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			if data, err := os.ReadFile(file); err == nil {
				f.Add(string(data))
			}
		}
	}
	f.Add("\xef\xbb\xbfa = 1")
	f.Add("\"\\u00e9\\e\" = '''''a'''''")
}

// FuzzParse checks that Parse never panics and returns either a configuration or complete problems.
func FuzzParse(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		config, err := Parse("f", []byte(text))
		if (config == nil) == (err == nil) {
			t.Fatalf("configuration %v and error %v: want exactly one of them", config, err)
		}
		problems, ok := errors.AsType[Problems](err)
		if err != nil && (!ok || len(problems) == 0) {
			t.Fatalf("error %v is not a list of problems", err)
		}
		for _, p := range problems {
			if p.File != "f" || p.Line < 1 || p.Key == "" || p.What == "" || p.Right == "" {
				t.Errorf("incomplete problem %#v", p)
			}
		}
	})
}
