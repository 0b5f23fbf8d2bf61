package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"fulcrum/lab"
	"fulcrum/lvs"
)

// asProgram in the environment makes the test binary the fulcrum program. So tests need no separate
// build, and labs can start it as director and as real servers.
const asProgram = "FULCRUM_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asLogger) != "" {
		writeLog()
		return
	}
	if kind := os.Getenv(asDevices); kind != "" {
		os.Exit(runDevices(kind))
	}
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Setenv(asProgram, "1") // for every child
	os.Exit(runTests(m))
}

// runTests first removes the labs of tests that were killed, and checks afterwards that these tests
// left nothing behind.
func runTests(m *testing.M) int {
	if os.Geteuid() != 0 {
		return m.Run()
	}
	_, swept := lab.Sweep()
	code := m.Run()
	if err := errors.Join(swept, nothingLeft()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// nothingLeft returns an error if a lab of this process is left.
func nothingLeft() error {
	for _, pattern := range []string{"/run/netns/fulcrum-%d-*", "/run/fulcrum-lab/%d",
		"/run/fulcrum-lab/%d.json", "/run/fulcrum-lab/%d-*"} {
		pattern = fmt.Sprintf(pattern, os.Getpid())
		left, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		if len(left) > 0 {
			return fmt.Errorf("left behind: %v", left)
		}
	}
	return nil
}

// needRoot skips a test that needs DPDK and namespaces, unless CI runs it, which has to run every
// test.
func needRoot(t *testing.T) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") == "true":
		t.Fatal("CI has to run this test as root")
	default:
		t.Skip("DPDK and network namespaces need root")
	}
}

// needTime skips a long test with -short.
func needTime(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("end-to-end tests on the lab take long; run without -short")
	}
}

// soaking returns all modes in make soak, and otherwise those of them that a test of many seconds
// takes in CI.
func soaking(inCI ...lvs.Mode) []lvs.Mode {
	if os.Getenv("FULCRUM_SOAK") == "true" {
		return lvs.Modes()
	}
	return inCI
}

// ownBinary returns the program to start: this one.
func ownBinary(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
