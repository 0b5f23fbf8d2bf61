package dpdk

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"fulcrum/ports"
)

// A process can start DPDK once, so the tests share one EAL. Tests of starting and stopping run
// this binary again (child_test.go).
func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		os.Exit(runChild(name))
	}
	code := m.Run()
	if err := stopSharedEAL(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var sharedStarted bool

var shared = sync.OnceValues(func() (*EAL, error) {
	sharedStarted = true
	return Start(Config{HugePages: "off", Memory: 256 << 20})
})

// stopSharedEAL stops the shared EAL and reports what the tests left behind.
func stopSharedEAL() error {
	if !sharedStarted {
		return nil
	}
	e, err := shared()
	if err != nil {
		return err
	}
	if err := e.Close(); err != nil {
		return err
	}
	if notes := e.Notes(); len(notes) != 1 {
		return fmt.Errorf("buffers are missing after the tests: %q", notes)
	}
	return nothingIn(runtimeParent(), os.Getpid())
}

func nothingIn(parent string, pid int) error {
	left, _ := filepath.Glob(filepath.Join(parent, fmt.Sprintf("fulcrum-%d-*", pid)))
	if len(left) > 0 {
		return fmt.Errorf("left behind: %q", left)
	}
	return nil
}

// needRoot skips the test without root. In CI it fails instead, because a skip would hide that
// nothing was tested.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("CI has to run these tests as root")
	}
	t.Skip("DPDK needs root")
}

func sharedEAL(t testing.TB) *EAL {
	t.Helper()
	needRoot(t)
	e, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// open opens a port and closes it at the end of the test.
func open(t testing.TB, c PortConfig) Port {
	t.Helper()
	p, err := sharedEAL(t).OpenPort(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// receive polls a queue until a wanted packet has come, and frees the others.
func receive(t testing.TB, q ports.Queue, wanted func(*ports.Packet) bool) ports.Burst {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		var rx, match, rest ports.Burst
		q.Exchange(nil, nil, &rx)
		for i := range rx.Slice() {
			p := &rx.Packets[i]
			if wanted(p) {
				match.Push(p)
			} else {
				rest.Push(p)
			}
		}
		q.Exchange(nil, &rest, nil)
		if match.N > 0 {
			return match
		}
	}
	t.Fatal("no packet came")
	return ports.Burst{}
}

// send sends the whole burst.
func send(t testing.TB, q ports.Queue, tx *ports.Burst) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); tx.N > 0; {
		q.Exchange(tx, nil, nil)
		if time.Now().After(end) {
			t.Fatalf("%d packets could not be sent", tx.N)
		}
	}
}

// allocate returns one packet with the given bytes.
func allocate(t testing.TB, q ports.Queue, b *ports.Burst, data []byte) *ports.Packet {
	t.Helper()
	if !q.Alloc(b, len(data)) {
		t.Fatalf("no packet of %d bytes to be had", len(data))
	}
	p := &b.Packets[b.N-1]
	copy(p.Bytes(), data)
	return p
}

func anyPacket(*ports.Packet) bool { return true }
