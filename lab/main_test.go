package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"fulcrum/lvs"
)

// TestMain lets the test binary stand in for the fulcrum program: as real server, as director
// (standin_test.go), and as the owner of a lab that is killed.
func TestMain(m *testing.M) {
	// Otherwise every child built with -race takes a second to end.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	if len(os.Args) < 2 {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case "lab":
		exit(serveRealFrom(os.Args[3:]))
	case "run":
		exit(runStandIn(os.Args[3], os.Args[5]))
	case "hold":
		exit(holdLab())
	default:
		os.Exit(m.Run())
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serveRealFrom(arguments []string) error {
	var c RealServerConfig
	for i := 0; i+1 < len(arguments); i += 2 {
		switch value := arguments[i+1]; arguments[i] {
		case "--name":
			c.Name = value
		case "--tcp":
			c.TCP = append(c.TCP, netip.MustParseAddrPort(value))
		case "--udp":
			c.UDP = append(c.UDP, netip.MustParseAddrPort(value))
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return ServeReal(ctx, c, os.Stderr)
}

// holdLab builds a lab with a running director, prints its id and waits to be killed.
func holdLab() error {
	l, err := New(context.Background(), testConfig(lvs.NAT, 2))
	if err != nil {
		return err
	}
	if err := l.StartDirector(context.Background()); err != nil {
		return err
	}
	fmt.Println(l.ID())
	select {}
}

func testConfig(mode lvs.Mode, arms int) Config {
	binary, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return Config{Mode: mode, Arms: arms, Binary: binary}
}

// needRoot skips a test that needs namespaces, unless CI runs it, which has to run every test.
func needRoot(t *testing.T) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") == "true":
		t.Fatal("network namespaces need root, and CI must not skip this test: run it as root")
	default:
		t.Skip("network namespaces need root")
	}
}

// newTestLab builds a lab. The end of the test removes it and checks that nothing is left.
func newTestLab(t *testing.T, c Config) *Lab {
	t.Helper()
	needRoot(t)
	l, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		checkGone(t, l.record)
	})
	return l
}
