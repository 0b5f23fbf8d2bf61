package control

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
)

// TestMain lets the test binary stand in for real servers that accept connections.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "accept" {
		accept(os.Args[2])
	}
	os.Exit(m.Run())
}

// accept accepts connections at an address until the process is killed. It prints the port.
func accept(address string) {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, 0) // a benchmark's own may be higher
	l, err := net.Listen("tcp4", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	for {
		if c, err := l.Accept(); err == nil {
			c.Close()
		}
	}
}
