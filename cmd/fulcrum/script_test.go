package main

import (
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the scripts of testdata/script: commands that ask a running director. `await
// FILE` waits until a file is there, such as a director's socket.
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

// await waits until a file is there, or with ! until it is gone.
func await(ts *testscript.TestScript, not bool, args []string) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); (err == nil) != not {
			return
		}
	}
	ts.Fatalf("%s: not in time", args[0])
}
