package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestProblems runs the scenarios in testdata/problems. Each one is a file's text with all its
// problems. The names after "check" are files of testdata/base. They are appended to the text, so
// that the line numbers are those of the scenario.
func TestProblems(t *testing.T) {
	datadriven.Walk(t, "testdata/problems", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			text := d.Input + "\n"
			for _, base := range d.CmdArgs {
				text += readFile(t, filepath.Join("testdata/base", base.Key+".toml"))
			}
			return verdict(parse("f", text, onCPUs(0, 1)))
		})
	})
}

// verdict returns the problems as the command line prints them.
func verdict(_ *Config, err error) string {
	if err == nil {
		return "ok\n"
	}
	return err.Error() + "\n"
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestLoadNamesTheFileThatCannotBeRead(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "absent.toml"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "absent.toml") {
		t.Errorf("got %v, want one that wraps os.ErrNotExist and names the file", err)
	}
	if _, bad := errors.AsType[Problems](err); bad {
		t.Error("a file that cannot be read is not a file with bad content")
	}
}

func TestProblemsAreInFileOrder(t *testing.T) {
	_, err := Parse("f", []byte("[[service]]\n[director]\nlog = 1\n[dpdk]\nmemory = 2\n"))
	problems, _ := errors.AsType[Problems](err)
	for i := range problems[1:] {
		if problems[i].Line > problems[i+1].Line {
			t.Errorf("%s comes before %s", problems[i], problems[i+1])
		}
	}
}
