package main

import (
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the commands that ask a director against one that runs, as testdata/script/*.txtar say. `start FILE` starts the director of a
// configuration in the background and waits until it answers.
func TestScripts(t *testing.T) {
	needRoot(t)
	binary := ownBinary(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv(asProgram, "1")
			e.Setenv("FULCRUM", binary)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"await": await},
	})
}

// await waits until a file is there: a director's socket.
func await(ts *testscript.TestScript, not bool, args []string) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); (err == nil) != not {
			return
		}
	}
	ts.Fatalf("%s: not in time", args[0])
}
